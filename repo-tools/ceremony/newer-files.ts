import {
  findObject,
  metadataObject,
  versionedMetadata,
} from '../../adapters/repository/objects.ts';
import { RepositoryError } from '../../adapters/repository/errors.ts';
import type { RepositoryState } from '../../adapters/repository/repository.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { TufError } from '../../core/tuf/errors.ts';
import { MAX_LENGTHS, parseTargets } from '../../core/tuf/metadata.ts';
import { ROLLOUTS_ROLE } from '../../core/tuf/names.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { signersOf } from '../../core/tuf/verify.ts';

/** A role that the online key cannot sign, the version that is published, and a newer one that its own keys signed. */
export type NewerFile = {
  readonly role: string;
  readonly published: number;
  readonly newer: number;
};

/**
 * Files of targets and releases roles that lie in the storage, signed well, and are newer than what is published. A killed
 * publisher leaves such a file; and so does a thief of the online key who brings old releases back.
 */
export async function newerFiles(
  storage: Storage,
  state: RepositoryState,
): Promise<readonly NewerFile[]> {
  const found = new Map<string, NewerFile>();
  for await (const { name } of storage.list('metadata/')) {
    const { role, version } = versionedMetadata(name) ?? { role: '', version: 0 };
    const published = state.snapshot.meta[`${role}.json`]?.version;
    if (role === ROLLOUTS_ROLE || published === undefined) continue;
    if (version <= (found.get(role)?.newer ?? published)) continue;
    if (!(await isSigned(storage, state, { role, version }))) continue;
    found.set(role, { role, published, newer: version });
  }
  return [...found.values()];
}

async function isSigned(
  storage: Storage,
  state: RepositoryState,
  { role, version }: { readonly role: string; readonly version: number },
): Promise<boolean> {
  const trust = trustIn(state, role);
  const name = metadataObject(role, version);
  if (trust === null) return false;
  try {
    const file = await findObject(storage, name, MAX_LENGTHS.targets);
    return (
      file !== null && signersOf(parseTargets(file.bytes, name), trust).length >= trust.threshold
    );
  } catch (error) {
    // Whoever writes to the storage can leave anything there.
    if (error instanceof TufError || error instanceof RepositoryError) return false;
    throw error;
  }
}
