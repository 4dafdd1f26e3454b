import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import { onDisk } from '../on-disk.ts';

/** A part of a file or block device. */
export type ReadPart = {
  readonly path: string;
  /** Default 0. */
  readonly from?: number;
  /** Default to the end. */
  readonly length?: number;
};

const CHUNK_BYTES = 1024 * 1024;
/** No device wants its reads aligned to more. */
const ALIGNMENT = 4096;
/** Every memory allocator aligns to this at least. */
const GRANULE = 16;

/**
 * Reads what the medium gives, not what the page cache still knows of the writing: by O_DIRECT, where the file system has it,
 * else as any other file. A chunk is whole until the next one is asked for. Throws `agent/disk`.
 */
export async function* readPastCache({
  path,
  from = 0,
  length = Infinity,
}: ReadPart): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await DirectFile.open(path, from);
  const { buffers } = file;
  let [buffer, other] = buffers;
  const end = from + length;
  let at = from;
  let next: Promise<Buffer> | null = null;
  try {
    while (at < end) {
      const bytes = (await (next ?? file.read(buffer, at, end - at))).subarray(0, end - at);
      if (bytes.length === 0) return;
      at += bytes.length;
      // The next read is under way while this chunk is hashed.
      next = at < end ? file.read(other, at, end - at) : null;
      next?.catch(() => undefined);
      yield bytes;
      [buffer, other] = [other, buffer];
    }
  } finally {
    await Promise.allSettled([next]);
    await file.close();
  }
}

class DirectFile {
  readonly buffers: readonly [Buffer, Buffer];
  readonly #path: string;
  #handle: FileHandle;
  #isDirect: boolean;

  private constructor(path: string, opened: Opened) {
    this.#path = path;
    this.#handle = opened.handle;
    this.#isDirect = opened.isDirect;
    this.buffers = opened.buffers;
  }

  static async open(path: string, from: number): Promise<DirectFile> {
    return new DirectFile(path, await onDisk(`opening ${path}`, () => openFile(path, from)));
  }

  /** The bytes from `at` on, `wanted` or as many as there are and fit, or some more; none at the end. */
  read(buffer: Buffer, at: number, wanted: number): Promise<Buffer> {
    return onDisk(`reading ${this.#path}`, async () => {
      // What is before `at` is read once more, so that every read begins and ends where a device lets it.
      const start = at - (at % ALIGNMENT);
      const blocks = Math.ceil((at - start + wanted) / ALIGNMENT);
      const bytesRead = await this.#readAt(buffer.subarray(0, blocks * ALIGNMENT), start);
      return buffer.subarray(at - start, Math.max(at - start, bytesRead));
    });
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #readAt(buffer: Buffer, position: number): Promise<number> {
    try {
      return (await this.#handle.read(buffer, 0, buffer.length, position)).bytesRead;
    } catch (error) {
      if (!this.#isDirect || errnoOf(error) !== 'EINVAL') throw error;
      // Some file systems take O_DIRECT and then refuse it, at the end of a file or at all.
      const plain = await open(this.#path, constants.O_RDONLY);
      await this.#handle.close();
      this.#handle = plain;
      this.#isDirect = false;
      return (await plain.read(buffer, 0, buffer.length, position)).bytesRead;
    }
  }
}

type Opened = {
  readonly handle: FileHandle;
  readonly isDirect: boolean;
  readonly buffers: readonly [Buffer, Buffer];
};

async function openFile(path: string, from: number): Promise<Opened> {
  const memory = Buffer.allocUnsafeSlow(2 * CHUNK_BYTES + ALIGNMENT);
  const direct = await openDirect(path);
  if (direct !== null) {
    const offset = await findAlignment(direct, memory, from - (from % ALIGNMENT)).catch(
      async (error: unknown) => {
        await direct.close();
        throw error;
      },
    );
    if (offset !== null) {
      return { handle: direct, isDirect: true, buffers: halves(memory, offset) };
    }
    await direct.close();
  }
  const handle = await open(path, constants.O_RDONLY);
  return { handle, isDirect: false, buffers: halves(memory, 0) };
}

async function openDirect(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECT);
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return null;
    throw error;
  }
}

/** Node does not tell where a buffer lies, and direct reads want it aligned: the system says which offset will do. */
async function findAlignment(
  handle: FileHandle,
  memory: Buffer,
  position: number,
): Promise<number | null> {
  for (let offset = 0; offset < ALIGNMENT; offset += GRANULE) {
    try {
      await handle.read(memory, offset, ALIGNMENT, position);
      return offset;
    } catch (error) {
      if (errnoOf(error) !== 'EINVAL') throw error;
    }
  }
  return null;
}

function halves(memory: Buffer, offset: number): readonly [Buffer, Buffer] {
  const middle = offset + CHUNK_BYTES;
  return [memory.subarray(offset, middle), memory.subarray(middle, middle + CHUNK_BYTES)];
}
