import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { StorageError } from './storage.ts';

// https://sqlite.org/rescode.html: the low byte of an extended result code is the primary one.
const PRIMARY = 0xff;
const BUSY = 5;
const IO_ERROR = 10;
const FULL = 13;
const MAY_NOT_OPEN: ReadonlySet<number> = new Set([3, 8, 14, 23]);

// https://sqlite.org/lockingv3.html: whoever has read something in a transaction keeps the shared lock to its end.
const SHARED = 'BEGIN; SELECT count(*) FROM sqlite_schema';
const EXCLUSIVE = 'BEGIN EXCLUSIVE';

const LONGEST_PAUSE_MS = 12;
const DEFAULT_PATIENCE_MS = 30_000;

/** Every lock that is held. An action that waits for what nobody else refers to would be collected, and its lock with it. */
const LOCKS = new Set<DatabaseSync>();

type Options = {
  readonly patienceMs?: number;
  /** Others that share it may run at the same time, who does not may not. */
  readonly isShared?: boolean;
};

/**
 * Runs `action` while no other process, and nothing else in this one, holds the lock of this file; the file's folder
 * exists. Gives up with `storage/unavailable` after `patienceMs`.
 *
 * A lock file that says who made it goes stale when its owner is killed, and taking it over safely is a race in itself.
 * The kernel's own record locks end with the process, however it ends; Node reaches them only through SQLite, which
 * also keeps connections of one process apart. The database stays empty: nothing is ever written to it.
 */
export async function withFileLock<T>(
  file: string,
  action: () => Promise<T>,
  { patienceMs = DEFAULT_PATIENCE_MS, isShared = false }: Options = {},
): Promise<T> {
  const held = await acquire(file, { deadlineMs: Date.now() + patienceMs, isShared });
  LOCKS.add(held);
  try {
    return await action();
  } finally {
    LOCKS.delete(held);
    held.close();
  }
}

async function acquire(
  file: string,
  { deadlineMs, isShared }: { readonly deadlineMs: number; readonly isShared: boolean },
): Promise<DatabaseSync> {
  for (;;) {
    const held = tryLock(file, isShared ? SHARED : EXCLUSIVE);
    if (held !== undefined) return held;
    if (Date.now() >= deadlineMs) {
      throw new StorageError('storage/unavailable', `another process holds ${file}`);
    }
    await setTimeout(1 + Math.random() * LONGEST_PAUSE_MS);
  }
}

function tryLock(file: string, statements: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    // The journal in memory keeps a second file from appearing; closing rolls back.
    database.exec(`PRAGMA journal_mode = MEMORY; ${statements}`);
    return database;
  } catch (error) {
    database?.close();
    const result = resultCode(error);
    if (result === BUSY) return undefined;
    throw result === undefined ? error : translate(result, file, error);
  }
}

function resultCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & PRIMARY : undefined;
}

function translate(result: number, file: string, cause: unknown): StorageError {
  if (MAY_NOT_OPEN.has(result)) {
    return new StorageError('storage/denied', `${file} may not be opened for writing`, { cause });
  }
  if (result === FULL) return new StorageError('storage/full', `${file}: disk is full`, { cause });
  if (result === IO_ERROR) {
    return new StorageError('storage/unsafe', `${file} cannot be locked on this file system`, {
      cause,
      hints: ['keep the repository on a file system with working POSIX locks, or in S3'],
    });
  }
  return new StorageError('storage/unavailable', `${file} cannot be used as a lock`, { cause });
}
