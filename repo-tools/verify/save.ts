import { createObject, findObject, TIMESTAMP_OBJECT } from '../../adapters/repository/objects.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { ExpectedError } from '../../core/errors.ts';
import type { RawFile, RawRepository } from '../../core/tuf/lint/raw.ts';

/** The copy is one of another repository, or somebody changed it. */
export class CopyError extends ExpectedError<'copy/differs'> {}

const MAX_TIMESTAMP_BYTES = 64 * 1024 * 1024;

/**
 * Keeps the metadata as a repository of its own, for a later comparison. The timestamp comes last: until then the copy is the
 * old one. Throws CopyError, or StorageError.
 */
export async function saveCopy(storage: Storage, repository: RawRepository): Promise<void> {
  const { roots, snapshot, targets, delegated, timestamp } = repository;
  for (const file of [...roots, ...delegated.values(), targets, snapshot]) {
    if (file === null || file.bytes === null) continue;
    if (!(await createObject(storage, `metadata/${file.name}`, file.bytes))) {
      throw new CopyError('copy/differs', `${storage.url} holds another ${file.name}`, {
        hints: ['save into an empty folder, or compare with this one by --since first'],
      });
    }
  }
  if (timestamp !== null) await replaceTimestamp(storage, timestamp);
}

async function replaceTimestamp(storage: Storage, { bytes }: RawFile): Promise<void> {
  if (bytes === null) return;
  const before = await findObject(storage, TIMESTAMP_OBJECT, MAX_TIMESTAMP_BYTES);
  if (before !== null && Buffer.compare(before.bytes, bytes) === 0) return;
  await storage.put(TIMESTAMP_OBJECT, bytes, {
    condition:
      before === null
        ? { kind: 'create-only' }
        : { kind: 'replace-if-unchanged', etag: before.etag },
    cacheControl: 'no-cache',
  });
}
