import { StorageError } from '../storage/storage.ts';
import type { ETag, Storage, StorageErrorCode } from '../storage/storage.ts';
import { RepositoryError } from './errors.ts';

/** Where things lie in a storage; the same layout is what hosts fetch over HTTP. */
export const TIMESTAMP_OBJECT = 'metadata/timestamp.json';

export function metadataObject(role: string, version: number): string {
  return `metadata/${version}.${role}.json`;
}

export function targetObject(name: string, sha256: string): string {
  return `targets/${sha256}.${name}`;
}

/** The role and version of versioned metadata by its object name; null for names that are none of ours. */
export function versionedMetadata(
  object: string,
): { readonly role: string; readonly version: number } | null {
  const [, digits = '', role = ''] =
    /^metadata\/([1-9]\d*)\.([a-z][a-z0-9._-]*)\.json$/.exec(object) ?? [];
  const version = Number(digits);
  return Number.isSafeInteger(version) && version > 0 ? { role, version } : null;
}

/** A whole object. Throws `repository/too-large` after at most one chunk more than `limit` bytes. */
export async function readObject(
  storage: Storage,
  name: string,
  limit: number,
): Promise<{ readonly bytes: Uint8Array; readonly etag: ETag }> {
  const { body, etag } = await storage.get(name);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limit) {
      throw new RepositoryError('repository/too-large', `${name} has more than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks), etag };
}

/** As `readObject`, but null if there is no such object. */
export async function findObject(
  storage: Storage,
  name: string,
  limit: number,
): Promise<{ readonly bytes: Uint8Array; readonly etag: ETag } | null> {
  try {
    return await readObject(storage, name, limit);
  } catch (error) {
    if (isStorageError(error, 'storage/not-there')) return null;
    throw error;
  }
}

/** Creates an immutable object; true also if these very bytes are there already, false if others are. */
export async function createObject(
  storage: Storage,
  name: string,
  bytes: Uint8Array,
): Promise<boolean> {
  try {
    const condition = { kind: 'create-only' } as const;
    await storage.put(name, bytes, { condition, cacheControl: 'immutable' });
    return true;
  } catch (error) {
    if (!isStorageError(error, 'storage/already-there')) throw error;
  }
  // A crashed run of ours, or a first try whose answer got lost, may have put the same bytes.
  return Buffer.compare(await existingBytes(storage, name, bytes.length), bytes) === 0;
}

export function isStorageError(
  error: unknown,
  ...codes: readonly StorageErrorCode[]
): error is StorageError {
  return error instanceof StorageError && codes.includes(error.code);
}

/** Nothing if what is there is longer than `length`: then it differs in any case. */
async function existingBytes(storage: Storage, name: string, length: number): Promise<Uint8Array> {
  try {
    return (await readObject(storage, name, length)).bytes;
  } catch (error) {
    if (error instanceof RepositoryError && error.code === 'repository/too-large') {
      return new Uint8Array();
    }
    throw error;
  }
}
