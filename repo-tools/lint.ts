import { readRawRepository } from '../adapters/repository/read-raw.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import { lintRaw } from '../core/tuf/lint.ts';
import type { LintFinding } from '../core/tuf/lint/check.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** What expires within so long is worth a warning. */
export const EXPIRY_HORIZON_MS = 3 * DAY_MS;

export type LintOptions = {
  readonly now: Date;
  /** Bytes of the root to begin with; by default the first one of the storage. */
  readonly root?: Uint8Array;
  readonly horizonMs?: number;
};

/**
 * Every rule of the profile that the repository in a storage breaks, whoever made it; none if all clients can read it. Throws
 * `repository/not-there`, or StorageError if the storage does not answer.
 */
export async function lintStorage(
  storage: Storage,
  { now, root, horizonMs = EXPIRY_HORIZON_MS }: LintOptions,
): Promise<readonly LintFinding[]> {
  const repository = await readRawRepository(storage, { root: root ?? null });
  return lintRaw(repository, { now, horizonMs });
}
