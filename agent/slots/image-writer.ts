import type { FileHandle } from 'node:fs/promises';
import { onDisk } from '../on-disk.ts';
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

/** A whole number of blocks of any disk. */
const RUN_BYTES = 1024 * 1024;

/**
 * Writes an image through an open handle, which it closes. It writes whole blocks, all but the last: of a block that is written
 * in part the system first reads the rest, and that fails where writing all of it would have cured the disk.
 */
export class HandleWriter implements ImageWriter {
  readonly #place: ImagePlace;
  readonly #run = Buffer.allocUnsafe(RUN_BYTES);
  /** Bytes that wait in the run. */
  #waiting = 0;
  /** Bytes that were written before it. */
  #written = 0;

  constructor(place: ImagePlace) {
    this.#place = place;
  }

  async write(chunk: Uint8Array): Promise<void> {
    const { path, size } = this.#place;
    if (this.#written + this.#waiting + chunk.length > size) {
      throw new AgentError('agent/image', `${path} takes ${size} bytes, got more`);
    }
    for (let done = 0; done < chunk.length;) {
      const part = chunk.subarray(done, done + RUN_BYTES - this.#waiting);
      this.#run.set(part, this.#waiting);
      this.#waiting += part.length;
      done += part.length;
      if (this.#waiting === RUN_BYTES) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const { path, at, handle } = this.#place;
    const run = this.#run.subarray(0, this.#waiting);
    await onDisk(`writing ${path}`, () => writeWhole(handle, at + this.#written, run));
    this.#written += run.length;
    this.#waiting = 0;
  }

  async restart(): Promise<void> {
    const { path, empty } = this.#place;
    if (empty !== undefined) await onDisk(`emptying ${path}`, empty);
    this.#written = 0;
    this.#waiting = 0;
  }

  async finish(): Promise<void> {
    const { path, size, handle, syncName } = this.#place;
    await this.#flush();
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
