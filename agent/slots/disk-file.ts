import { open, readFile, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { SECTOR_SIZES } from '../../core/gpt/header.ts';
import type { SectorSize } from '../../core/gpt/header.ts';
import { onDisk } from '../on-disk.ts';
import { AgentError } from '../errors.ts';
import type { Disk, DiskMode } from './disk.ts';
import { readPastCache } from './read-past-cache.ts';

const SYSFS_UNIT = 512;

export async function openDisk(path: string, mode: DiskMode): Promise<Disk> {
  return onDisk(`opening ${path}`, async () => {
    const shape = await shapeOf(path);
    const handle = await open(path, mode === 'write' ? 'r+' : 'r');
    return new FileDisk(path, { ...shape, isPastCache: mode === 'read-back' }, handle);
  });
}

type Shape = Pick<Disk, 'byteCount' | 'sectorSize'>;

async function shapeOf(path: string): Promise<Shape> {
  const stats = await stat(path);
  if (stats.isFile()) return { byteCount: stats.size, sectorSize: null };
  if (!stats.isBlockDevice()) {
    throw new AgentError('agent/slots', `${path} must be a block device or a disk image`);
  }
  const folder = await sysfsOf(path);
  const logical = Number(await readFile(`${folder}/queue/logical_block_size`, 'utf8'));
  const sectorSize = SECTOR_SIZES.find((size) => size === logical);
  if (sectorSize === undefined) {
    throw new AgentError('agent/slots', `${path}: sectors must be 512 or 4096, got ${logical}`);
  }
  const byteCount = Number(await readFile(`${folder}/size`, 'utf8')) * SYSFS_UNIT;
  return { byteCount, sectorSize };
}

/** What the kernel knows of a block device, whichever of its names it is called by. */
export async function sysfsOf(path: string): Promise<string> {
  const { rdev } = await stat(path, { bigint: true });
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return `/sys/dev/block/${major}:${minor}`;
}

class FileDisk implements Disk {
  readonly path: string;
  readonly byteCount: number;
  readonly sectorSize: SectorSize | null;
  readonly #isPastCache: boolean;
  readonly #handle: FileHandle;

  constructor(
    path: string,
    { byteCount, sectorSize, isPastCache }: Shape & { readonly isPastCache: boolean },
    handle: FileHandle,
  ) {
    this.path = path;
    this.byteCount = byteCount;
    this.sectorSize = sectorSize;
    this.#isPastCache = isPastCache;
    this.#handle = handle;
  }

  async read(at: number, byteCount: number): Promise<Uint8Array> {
    if (this.#isPastCache) return readWholePastCache(this.path, at, byteCount);
    return onDisk(`reading ${this.path}`, () => readWhole(this.#handle, this.path, at, byteCount));
  }

  async write(at: number, bytes: Uint8Array): Promise<void> {
    if (at + bytes.length > this.byteCount) {
      throw new AgentError('agent/disk', `${this.path} ends before byte ${at + bytes.length}`);
    }
    await onDisk(`writing ${this.path}`, () => writeWhole(this.#handle, at, bytes));
  }

  async sync(): Promise<void> {
    await onDisk(`syncing ${this.path}`, () => this.#handle.sync());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await onDisk(`closing ${this.path}`, () => this.#handle.close());
  }
}

async function readWholePastCache(
  path: string,
  at: number,
  byteCount: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteCount);
  let done = 0;
  for await (const chunk of readPastCache({ path, from: at, length: byteCount })) {
    bytes.set(chunk, done);
    done += chunk.length;
  }
  if (done === byteCount) return bytes;
  throw new AgentError('agent/disk', `${path} ends before byte ${at + byteCount}`);
}

/** Reads over short reads; throws `agent/disk` where the file ends before. */
export async function readWhole(
  handle: FileHandle,
  path: string,
  at: number,
  byteCount: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteCount);
  for (let done = 0; done < byteCount;) {
    const { bytesRead } = await handle.read(bytes, done, byteCount - done, at + done);
    if (bytesRead === 0) {
      throw new AgentError('agent/disk', `${path} ends before byte ${at + byteCount}`);
    }
    done += bytesRead;
  }
  return bytes;
}

export async function writeWhole(handle: FileHandle, at: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}
