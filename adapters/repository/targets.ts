import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { findTarget } from '../../core/tuf/repository-metadata.ts';
import type { FoundTarget, RepositoryMetadata } from '../../core/tuf/repository-metadata.ts';
import { contentOf, verifyContent } from '../../core/tuf/verify.ts';
import type { Storage } from '../storage/storage.ts';
import { RepositoryError } from './errors.ts';
import type { EditPlan } from './plan.ts';
import { createObject, isStorageError, readObject, targetObject } from './objects.ts';

export type TargetSource = {
  readonly name: string;
  readonly size: number;
  /** Of the bytes as they are stored, in hex. */
  readonly sha256: string;
  /** Called at most once; its bytes are checked against `size` and `sha256` on the way. */
  readonly open: () => AsyncIterable<Uint8Array>;
};

/** A target that was uploaded, as metadata will name it; the hash is in hex. */
export type ListedTarget = {
  readonly name: string;
  readonly length: number;
  readonly sha256: string;
};

/** Small targets are read whole into memory; images never are. */
export const MAX_SMALL_TARGET_BYTES = 16 * 1024 * 1024;

/**
 * Puts a large target under its content address, before any metadata names it. Costs nothing if it is there already.
 * Throws `repository/upload` if the source is not what was announced.
 */
export async function uploadTarget(
  storage: Storage,
  source: TargetSource,
): Promise<'uploaded' | 'already-there'> {
  const name = targetObject(source.name, source.sha256);
  if (await isThere(storage, name, source.size)) return 'already-there';
  try {
    const options = { size: source.size, cacheControl: 'immutable' } as const;
    await storage.putStream(name, verified(source.open(), name, source), options);
    return 'uploaded';
  } catch (error) {
    if (!isStorageError(error, 'storage/already-there')) throw error;
    if (await isThere(storage, name, source.size)) return 'already-there';
    throw error;
  }
}

/** A target whose hash is known when its last byte has been read. */
export type UnhashedSource = {
  readonly name: string;
  readonly size: number;
  readonly source: AsyncIterable<Uint8Array>;
  /** Of what `source` has yielded, in hex; asked for once, at its end. */
  readonly sha256: () => string;
};

/**
 * Puts a large target in one pass, under a content address that comes from the pass. If it is there already, it was sent
 * for nothing: ask `findUploaded` before.
 */
export async function uploadHashedOnTheWay(
  storage: Storage,
  { name, size, source, sha256 }: UnhashedSource,
): Promise<void> {
  let object = '';
  const late = (): string => {
    object = targetObject(name, sha256());
    return object;
  };
  try {
    await storage.putStream(late, source, { size, cacheControl: 'immutable' });
  } catch (error) {
    if (!isStorageError(error, 'storage/already-there')) throw error;
    if (!(await isThere(storage, object, size))) throw error;
  }
}

/** By name: the hashes of the objects that are in the storage, published or not, for targets of this name and length. */
export async function findUploaded(
  storage: Storage,
  targets: readonly { readonly name: string; readonly length: number }[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const lengths = new Map(targets.map(({ name, length }) => [name, length]));
  const found = new Map<string, string[]>();
  for await (const object of storage.list('targets/')) {
    const [, sha256 = '', name = ''] = /^targets\/([0-9a-f]{64})\.(.+)$/.exec(object.name) ?? [];
    if (lengths.get(name) === object.size) found.set(name, [...(found.get(name) ?? []), sha256]);
  }
  return found;
}

/** Puts a small target under its content address; the same bytes there already are fine. */
export async function putTarget(
  storage: Storage,
  { name, bytes }: { readonly name: string; readonly bytes: Uint8Array },
): Promise<void> {
  const object = targetObject(name, contentOf(bytes).hashes.sha256);
  if (!(await createObject(storage, object, bytes))) {
    throw new RepositoryError('repository/damaged', `${object} is there with other bytes`);
  }
}

/** Throws `repository/target` unless the file that metadata is about to name is in the storage. */
export async function requireUploaded(
  storage: Storage,
  { name, length, sha256 }: ListedTarget,
): Promise<void> {
  if (!(await isThere(storage, targetObject(name, sha256), length))) {
    throw new RepositoryError('repository/target', `target ${name} was not uploaded`);
  }
}

/** Throws `repository/target` unless all that metadata signed elsewhere newly lists is in the storage. */
export async function requireListed(
  storage: Storage,
  { before, adopted }: Pick<EditPlan, 'before' | 'adopted'>,
): Promise<void> {
  for (const { signed } of adopted.values()) {
    for (const [name, { length, hashes }] of Object.entries(signed.targets)) {
      if (findTarget(before, name)?.hashes.sha256 === hashes.sha256) continue;
      await requireUploaded(storage, { name, length, sha256: hashes.sha256 });
    }
  }
}

/** A small published target, verified. Throws `repository/target` if it is not published. */
export async function readTarget(
  storage: Storage,
  metadata: RepositoryMetadata,
  name: string,
): Promise<Uint8Array> {
  const found = publishedTarget(metadata, name);
  if (found.length > MAX_SMALL_TARGET_BYTES) {
    throw new RepositoryError(
      'repository/too-large',
      `target ${name} may have ${MAX_SMALL_TARGET_BYTES} bytes here, got ${found.length}`,
    );
  }
  const object = targetObject(name, found.hashes.sha256);
  const { bytes } = await published(object, () => readObject(storage, object, found.length));
  verifyContent(object, found, bytes);
  return bytes;
}

/**
 * A published target as a stream. A wrong byte makes the stream throw `repository/damaged` at its end at the latest, so
 * nothing that it yielded counts before it has ended well.
 */
export async function openTarget(
  storage: Storage,
  metadata: RepositoryMetadata,
  name: string,
): Promise<{ readonly size: number; readonly body: AsyncIterable<Uint8Array> }> {
  const { length, hashes } = publishedTarget(metadata, name);
  const object = targetObject(name, hashes.sha256);
  const { body } = await published(object, () => storage.get(object));
  const expected = { size: length, sha256: hashes.sha256 };
  return { size: length, body: verified(body, object, expected, 'repository/damaged') };
}

function publishedTarget(metadata: RepositoryMetadata, name: string): FoundTarget {
  const found = findTarget(metadata, name);
  if (found === null) {
    throw new RepositoryError('repository/target', `no target ${name} is published`);
  }
  return found;
}

async function published<T>(object: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (!isStorageError(cause, 'storage/not-there')) throw cause;
    throw new RepositoryError('repository/damaged', `${object} is published, but not there`, {
      cause,
    });
  }
}

/** The name carries the hash and puts are atomic, so the size is all that is left to compare. */
async function isThere(storage: Storage, object: string, size: number): Promise<boolean> {
  try {
    const stat = await storage.stat(object);
    if (stat.size === size) return true;
    throw new RepositoryError(
      'repository/damaged',
      `${object} must have ${size} bytes, got ${stat.size}`,
    );
  } catch (error) {
    if (isStorageError(error, 'storage/not-there')) return false;
    throw error;
  }
}

async function* verified(
  source: AsyncIterable<Uint8Array>,
  object: string,
  expected: { readonly size: number; readonly sha256: string },
  code: 'repository/upload' | 'repository/damaged' = 'repository/upload',
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash: Hash = createHash('sha256');
  let size = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    size += chunk.length;
    if (size > expected.size) break;
    yield chunk;
  }
  const sha256 = hash.digest('hex');
  if (size !== expected.size || sha256 !== expected.sha256) {
    throw new RepositoryError(
      code,
      `${object} must have ${expected.size} bytes with SHA-256 ${expected.sha256}, got ${size} bytes` +
        (size > expected.size ? ' or more' : ` with ${sha256}`),
    );
  }
}
