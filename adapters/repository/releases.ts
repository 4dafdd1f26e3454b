import { parseRelease } from '../../core/release.ts';
import type { Release } from '../../core/release.ts';
import { releaseDocumentTarget } from '../../core/tuf/names.ts';
import type { Platform } from '../../core/tuf/names.ts';
import { findTarget, publishedReleases } from '../../core/tuf/repository-metadata.ts';
import { compareVersions } from '../../core/version.ts';
import type { Repository, RepositoryState } from './repository.ts';
import { notPublished } from './rollouts.ts';

export type ReleaseName = Platform & { readonly version: string };

/** All of what is given must hold. */
export type ReleaseFilter = { readonly [K in keyof Platform]?: string | undefined };

/** The published releases that fit, by variant, arch and version. */
export function listReleases(
  state: RepositoryState,
  filter: ReleaseFilter,
): readonly ReleaseName[] {
  return publishedReleases(state)
    .filter(({ variant }) => filter.variant === undefined || variant === filter.variant)
    .filter(({ arch }) => filter.arch === undefined || arch === filter.arch)
    .toSorted(inOrder);
}

/** The signed document of a published release. Throws PublishedError. */
export async function readRelease(
  repository: Repository,
  state: RepositoryState,
  wanted: ReleaseName,
): Promise<Release> {
  const document = releaseDocumentTarget(wanted);
  if (findTarget(state, document) === null) throw notPublished(state, wanted);
  return parseRelease(await repository.readTarget(state, document));
}

function inOrder(a: ReleaseName, b: ReleaseName): number {
  if (a.variant !== b.variant) return a.variant < b.variant ? -1 : 1;
  if (a.arch !== b.arch) return a.arch < b.arch ? -1 : 1;
  return compareVersions(a.version, b.version);
}
