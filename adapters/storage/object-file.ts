import { createHash } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { attempt, errnoOf } from './file-errors.ts';
import { spanOf } from './ranges.ts';
import { StorageError } from './storage.ts';
import type { ByteRange, ObjectStat, StoredObject } from './storage.ts';

// Up to here an object's ETag is the hash of its bytes. A larger one is told by its inode, size and time of writing: it
// would take seconds to hash, and large objects are content-addressed and never replaced.
const HASHED_UP_TO = 1024 * 1024;

// A symbolic link is no object, and a pipe must not hold up who opens it.
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO']);

export async function statFile(path: string, name: string): Promise<ObjectStat> {
  const { size, etag } = await withFile(path, name, (handle) => inspect(handle));
  return { size, etag };
}

export async function readFileObject(
  path: string,
  name: string,
  range?: ByteRange,
): Promise<StoredObject> {
  const { size, etag, bytes } = await withFile(path, name, (handle) => inspect(handle));
  const { from, to } = spanOf(name, size, range);
  const body =
    bytes === undefined
      ? streamFile(path, name, { etag, from, to })
      : chunksOf(bytes.subarray(from, to));
  return { size, etag, body };
}

type Inspected = ObjectStat & { readonly bytes: Uint8Array | undefined };

async function inspect(handle: FileHandle): Promise<Inspected> {
  const stats = await handle.stat({ bigint: true });
  const size = Number(stats.size);
  if (size > HASHED_UP_TO) {
    return { size, etag: `${stats.ino}-${size}-${stats.mtimeNs}`, bytes: undefined };
  }
  const bytes = await handle.readFile();
  return { size, etag: createHash('sha256').update(bytes).digest('hex'), bytes };
}

// The file is opened only when somebody reads, so that an unread body holds no descriptor.
async function* streamFile(
  path: string,
  name: string,
  { etag, from, to }: { readonly etag: string; readonly from: number; readonly to: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await openObject(path, name);
  try {
    if ((await attempt(`reading ${name}`, () => inspect(handle))).etag !== etag) {
      throw new StorageError('storage/changed', `${name} was replaced before it was read`);
    }
    const chunkSize = 256 * 1024;
    for (let at = from; at < to;) {
      const buffer = Buffer.allocUnsafe(Math.min(chunkSize, to - at));
      const { bytesRead } = await attempt(`reading ${name}`, () =>
        handle.read(buffer, 0, buffer.byteLength, at),
      );
      if (bytesRead === 0) {
        throw new StorageError('storage/unavailable', `${name} was cut off while it was read`);
      }
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (bytes.byteLength > 0) yield bytes;
}

async function withFile<T>(
  path: string,
  name: string,
  action: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await openObject(path, name);
  try {
    return await attempt(`reading ${name}`, () => action(handle));
  } finally {
    await handle.close();
  }
}

async function openObject(path: string, name: string): Promise<FileHandle> {
  const handle = await attempt(`opening ${name}`, () => open(path, READ).catch(undefinedIfAbsent));
  if (handle !== undefined) {
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  }
  throw new StorageError('storage/not-there', `there is no ${name}`);
}

function undefinedIfAbsent(error: unknown): undefined {
  if (!ABSENT.has(errnoOf(error))) throw error;
}
