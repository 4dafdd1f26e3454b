import { isSameBuild } from '../core/release-terms.ts';
import type { Release } from '../core/release.ts';
import { releaseDocumentTarget } from '../core/tuf/names.ts';
import { fetchRelease } from './install.ts';
import type { VerifiedRepository } from './tuf/client.ts';

/**
 * The release that a host runs, on the terms that are published today: where it may go back to can be amended after it was
 * installed. A release that is not listed any more, or is listed as another build, has the terms it was installed with; one
 * that is listed and cannot be had fails, or whoever holds back a file could bring back a permission that was taken away.
 */
export async function runningRelease(
  repository: VerifiedRepository,
  installed: Release,
): Promise<Release> {
  if ((await repository.targetInfo(releaseDocumentTarget(installed))) === null) return installed;
  const { release } = await fetchRelease(repository, installed);
  return isSameBuild(release, installed) ? release : installed;
}
