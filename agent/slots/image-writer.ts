import type { FileHandle } from 'node:fs/promises';
import { onDisk } from '../durable.ts';
import { AgentError } from '../errors.ts';
import { writeWhole } from './disk-file.ts';
import type { ImageWriter } from './slots.ts';

/** Where an image of exactly `size` bytes is written to. */
export type ImagePlace = {
  readonly path: string;
  /** The image's first byte lies here. */
  readonly at: number;
  readonly size: number;
  readonly handle: FileHandle;
  /** Takes away what was written, where it must not stay behind a shorter image. */
  readonly empty?: () => Promise<void>;
  /** Makes durable what the handle alone does not, such as the file's name. */
  readonly syncName?: () => Promise<void>;
};

/** Writes an image through an open handle, which it closes. */
export class HandleWriter implements ImageWriter {
  readonly #place: ImagePlace;
  #written = 0;

  constructor(place: ImagePlace) {
    this.#place = place;
  }

  async write(chunk: Uint8Array): Promise<void> {
    const { path, at, size, handle } = this.#place;
    if (this.#written + chunk.length > size) {
      throw new AgentError('agent/image', `${path} takes ${size} bytes, got more`);
    }
    await onDisk(`writing ${path}`, () => writeWhole(handle, at + this.#written, chunk));
    this.#written += chunk.length;
  }

  async restart(): Promise<void> {
    const { path, empty } = this.#place;
    if (empty !== undefined) await onDisk(`emptying ${path}`, empty);
    this.#written = 0;
  }

  async finish(): Promise<void> {
    const { path, size, handle, syncName } = this.#place;
    if (this.#written !== size) {
      throw new AgentError('agent/image', `${path} must have ${size} bytes, got ${this.#written}`);
    }
    await onDisk(`syncing ${path}`, async () => {
      await handle.sync();
      await handle.close();
      await syncName?.();
    });
  }

  async abandon(): Promise<void> {
    await this.#place.handle.close().catch(() => undefined);
  }
}
