import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../../adapters/storage/durable-folder.ts';
import { onDisk } from '../durable.ts';
import { AgentError } from '../errors.ts';
import type { ImageWriter } from './slots.ts';

const READ_BYTES = 1024 * 1024;

/** Starts an image file of exactly `size` bytes. */
export async function openImageFile(path: string, size: number): Promise<ImageWriter> {
  const handle = await onDisk(`making ${path}`, () => open(path, 'w', 0o600));
  return new ImageFileWriter(path, size, handle);
}

export async function* readImageFile(path: string): AsyncGenerator<Uint8Array> {
  const handle = await onDisk(`opening ${path}`, () => open(path, 'r'));
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      const { bytesRead } = await onDisk(`reading ${path}`, () => handle.read(buffer));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Some bytes of an image; fewer at its end. */
export async function readImagePart(
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  return onDisk(`reading ${path}`, async () => {
    await using handle = await open(path, 'r');
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  });
}

class ImageFileWriter implements ImageWriter {
  readonly #path: string;
  readonly #size: number;
  readonly #handle: FileHandle;
  #written = 0;

  constructor(path: string, size: number, handle: FileHandle) {
    this.#path = path;
    this.#size = size;
    this.#handle = handle;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#written + chunk.length > this.#size) {
      throw new AgentError('agent/image', `${this.#path} takes ${this.#size} bytes, got more`);
    }
    await onDisk(`writing ${this.#path}`, () => this.#writeAll(chunk));
  }

  async restart(): Promise<void> {
    await onDisk(`emptying ${this.#path}`, () => this.#handle.truncate(0));
    this.#written = 0;
  }

  async finish(): Promise<void> {
    if (this.#written !== this.#size) {
      throw new AgentError(
        'agent/image',
        `${this.#path} must have ${this.#size} bytes, got ${this.#written}`,
      );
    }
    await onDisk(`syncing ${this.#path}`, async () => {
      await this.#handle.sync();
      await this.#handle.close();
      await syncFolder(dirname(this.#path));
    });
  }

  async abandon(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
  }

  async #writeAll(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const { bytesWritten } = await this.#handle.write(
        chunk,
        at,
        chunk.length - at,
        this.#written,
      );
      at += bytesWritten;
      this.#written += bytesWritten;
    }
  }
}
