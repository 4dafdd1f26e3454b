import { mkdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from '../adapters/storage/file-lock.ts';
import { StorageError } from '../adapters/storage/storage.ts';
import { onDisk } from './on-disk.ts';
import { AgentError } from './errors.ts';

/**
 * Runs the work while no other agent works on the state folder: a cycle, or a verb. The lock is the kernel's own on an open file:
 * it ends with the process, however it ends, so nothing stale is ever left to clean. Throws `agent/locked` if another is at
 * work for longer than `patienceMs`.
 */
export function asOnlyAgent<T>(
  stateFolder: string,
  work: () => Promise<T>,
  patienceMs = 0,
): Promise<T> {
  return locked(stateFolder, 'lock', { work, patienceMs });
}

/** The same for the one agent that stays and polls: between its cycles others may work. */
export function asOnlyDaemon<T>(stateFolder: string, work: () => Promise<T>): Promise<T> {
  return locked(stateFolder, 'daemon-lock', { work, patienceMs: 0 });
}

/** Runs what only reads while no agent works on the state folder; others may read at the same time. */
export function amongReaders<T>(stateFolder: string, work: () => Promise<T>): Promise<T> {
  return locked(stateFolder, 'lock', { work, patienceMs: 0, isShared: true });
}

async function locked<T>(
  stateFolder: string,
  name: string,
  {
    work,
    patienceMs,
    isShared = false,
  }: {
    readonly work: () => Promise<T>;
    readonly patienceMs: number;
    readonly isShared?: boolean;
  },
): Promise<T> {
  const file = join(stateFolder, name);
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
      { patienceMs, isShared },
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
