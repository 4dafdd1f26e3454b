import { findObject, targetObject } from '../adapters/repository/objects.ts';
import { MAX_SMALL_TARGET_BYTES } from '../adapters/repository/targets.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import { diffTerms } from '../core/release-terms.ts';
import type { TermChange } from '../core/release-terms.ts';
import { parseRelease } from '../core/release.ts';
import type { Release } from '../core/release.ts';
import { releaseDocumentTarget } from '../core/tuf/names.ts';
import { contentOf } from '../core/tuf/verify.ts';

/** An amendment with what it changed; null where the storage has not got, or not unharmed, both documents. */
export type AmendmentRecord = NonNullable<Release['amended']>[number] & {
  readonly changes: readonly TermChange[] | null;
};

/** The amendments of a published release, oldest first, read from the documents that they replaced. */
export async function readAmendments(
  storage: Storage,
  release: Release,
): Promise<readonly AmendmentRecord[]> {
  const amended = release.amended ?? [];
  const documents: (Release | null)[] = [];
  for (const { before } of amended) documents.push(await findDocument(storage, release, before));
  documents.push(release);
  return amended.map((entry, index) => {
    const [before = null, after = null] = documents.slice(index, index + 2);
    return { ...entry, changes: before && after && diffTerms(before, after) };
  });
}

/** By its hash, which the signed document names: nothing else vouches for it any more. */
async function findDocument(
  storage: Storage,
  release: Release,
  sha256: string,
): Promise<Release | null> {
  const name = targetObject(releaseDocumentTarget(release), sha256);
  const found = await findObject(storage, name, MAX_SMALL_TARGET_BYTES);
  if (found === null || contentOf(found.bytes).hashes.sha256 !== sha256) return null;
  return parseRelease(found.bytes);
}
