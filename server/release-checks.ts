import { findObject, targetObject } from '../adapters/repository/objects.ts';
import type { RepositoryState } from '../adapters/repository/repository.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import { ExpectedError } from '../core/errors.ts';
import { parseRelease } from '../core/release.ts';
import type { Release } from '../core/release.ts';
import type { TargetFile, TargetsMetadata } from '../core/tuf/metadata.ts';
import { platformOfRole, versionOfDocument } from '../core/tuf/names.ts';
import type { Platform } from '../core/tuf/names.ts';
import { verifyContent } from '../core/tuf/verify.ts';
import { CommitError } from './errors.ts';

/** Far more than the largest release document that makes sense. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;

/**
 * Throws `commit/document` unless every release document that is new or amended can be read, speaks of the release in its
 * name, and names only images that the file lists. One that was never uploaded is left to the check of all targets.
 */
export async function requireReadableReleases(
  storage: Storage,
  state: RepositoryState,
  { role, after }: { readonly role: string; readonly after: TargetsMetadata },
): Promise<void> {
  const platform = platformOfRole(role);
  if (platform === null) return;
  const before = state.delegated.get(role)?.targets ?? {};
  for (const [name, file] of Object.entries(after.targets)) {
    const version = versionOfDocument(platform, name);
    const present = Object.hasOwn(before, name) ? before[name] : undefined;
    if (version === null || present?.hashes.sha256 === file.hashes.sha256) continue;
    const release = await readDocument(storage, name, file);
    if (release !== null) requireOwn({ ...platform, version, name }, release, after);
  }
}

async function readDocument(
  storage: Storage,
  name: string,
  file: TargetFile,
): Promise<Release | null> {
  if (file.length > MAX_DOCUMENT_BYTES) {
    throw new CommitError(
      'commit/document',
      `${name} may have ${MAX_DOCUMENT_BYTES} bytes, got ${file.length}`,
    );
  }
  const object = targetObject(name, file.hashes.sha256);
  const found = await findObject(storage, object, MAX_DOCUMENT_BYTES);
  if (found === null) return null;
  try {
    verifyContent(object, file, found.bytes);
    return parseRelease(found.bytes);
  } catch (cause) {
    if (!(cause instanceof ExpectedError)) throw cause;
    throw new CommitError('commit/document', `${name}: ${cause.message}`, { cause });
  }
}

function requireOwn(
  expected: Platform & { readonly version: string; readonly name: string },
  release: Release,
  { targets }: TargetsMetadata,
): void {
  const { variant, arch, version, name } = expected;
  if (release.variant !== variant || release.arch !== arch || release.version !== version) {
    throw new CommitError(
      'commit/document',
      `${name} speaks of ${release.variant} ${release.arch} ${release.version}`,
    );
  }
  const missing = Object.values(release.images).find(
    ({ target }) => !Object.hasOwn(targets, target),
  );
  if (missing === undefined) return;
  throw new CommitError('commit/document', `${name} names ${missing.target}, which is not listed`);
}
