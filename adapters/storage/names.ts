import { StorageError } from './storage.ts';
import type { StreamName } from './storage.ts';

const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
// What every store can take: NAME_MAX of a Linux file system, and the longest key of S3.
const MAX_SEGMENT_LENGTH = 255;
const MAX_NAME_LENGTH = 1024;

/** Throws `storage/name` unless every store can hold an object of this name. */
export function checkName(name: string): void {
  if (!isObjectName(name)) {
    throw new StorageError(
      'storage/name',
      `object name must be /-separated [A-Za-z0-9._-] without leading dots, got ${quote(name)}`,
    );
  }
}

/** The name of a streamed put whose source has ended, checked. */
export function nameAtEnd(name: StreamName): string {
  const final = typeof name === 'string' ? name : name();
  checkName(final);
  return final;
}

/** Throws `storage/name` unless some legal name begins with this prefix. */
export function checkPrefix(prefix: string): void {
  const shortest = prefix === '' || prefix.endsWith('/') ? `${prefix}x` : prefix;
  if (!isObjectName(shortest)) {
    throw new StorageError('storage/name', `no object name begins with ${quote(prefix)}`);
  }
}

export function isObjectName(name: string): boolean {
  return (
    name.length <= MAX_NAME_LENGTH &&
    name
      .split('/')
      .every((segment) => segment.length <= MAX_SEGMENT_LENGTH && SEGMENT.test(segment))
  );
}

function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
