import { mkdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from '../adapters/storage/file-lock.ts';
import { StorageError } from '../adapters/storage/storage.ts';
import { onDisk } from './durable.ts';
import { AgentError } from './errors.ts';

/**
 * Runs the work as the only agent on its state folder. The lock is the kernel's own on an open file: it ends with the process,
 * however it ends, so nothing stale is ever left to clean. Throws `agent/locked` at once if another agent is at work.
 */
export async function asOnlyAgent<T>(stateFolder: string, work: () => Promise<T>): Promise<T> {
  const file = join(stateFolder, 'lock');
  await onDisk(`preparing ${file}`, async () => {
    await mkdir(stateFolder, { recursive: true, mode: 0o700 });
    await emptyIfDamaged(file);
  });
  // What the work itself throws is no failure of the lock.
  let isHeld = false;
  try {
    return await withFileLock(
      file,
      () => {
        isHeld = true;
        return work();
      },
      { patienceMs: 0 },
    );
  } catch (error) {
    if (isHeld || !(error instanceof StorageError)) throw error;
    if (error.code === 'storage/unavailable') {
      throw new AgentError('agent/locked', `another agent works on ${stateFolder}`, {
        cause: error,
      });
    }
    throw new AgentError('agent/disk', `cannot lock ${file}: ${error.message}`, { cause: error });
  }
}

/** The file is always empty; anything in it would keep it from being locked for ever. Locks on it outlive the truncation. */
async function emptyIfDamaged(file: string): Promise<void> {
  const size = await stat(file).then(
    (stats) => stats.size,
    () => 0,
  );
  if (size > 0) await truncate(file, 0);
}
