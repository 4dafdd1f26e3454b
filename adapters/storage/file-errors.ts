import { StorageError } from './storage.ts';
import type { StorageErrorCode } from './storage.ts';

const CODES: Readonly<Record<string, StorageErrorCode>> = {
  ENOENT: 'storage/not-there',
  EACCES: 'storage/denied',
  EPERM: 'storage/denied',
  EROFS: 'storage/denied',
  ENOSPC: 'storage/full',
  EDQUOT: 'storage/full',
  // A file system or a limit that allows no file of this size is full for this object.
  EFBIG: 'storage/full',
  // A folder of the name is an object, or an object of the name is a folder.
  ENOTDIR: 'storage/name',
  EISDIR: 'storage/name',
  EEXIST: 'storage/name',
  ELOOP: 'storage/name',
  ENAMETOOLONG: 'storage/name',
};

/** The errno name of an error of Node's file functions; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Turns an errno into a StorageError; `what` names the action and the object. Bugs are given back as they are. */
export function translateFileError(error: unknown, what: string): unknown {
  if (error instanceof StorageError) return error;
  const errno = errnoOf(error);
  // A system call's failure, unlike a wrong argument, is named E followed by capitals.
  if (errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return error;
  return new StorageError(CODES[errno] ?? 'storage/unavailable', `${what} failed with ${errno}`, {
    cause: error,
  });
}

/** Runs a file action and translates how it fails. */
export async function attempt<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw translateFileError(error, what);
  }
}
