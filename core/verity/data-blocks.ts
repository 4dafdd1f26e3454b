import { VerityError } from './errors.ts';
import type { VeritySuperblock } from './superblock.ts';
import { findNonZero } from './zeros.ts';

/** Cuts a data image that comes in chunks of any size into the blocks that the tree is of. */
export class DataBlocks {
  readonly #size: number;
  readonly #count: number;
  readonly #partial: Uint8Array;
  #filled = 0;
  #given = 0;
  #length = 0;

  constructor({ dataBlockSize, dataBlocks }: VeritySuperblock) {
    this.#size = dataBlockSize;
    this.#count = dataBlocks;
    this.#partial = new Uint8Array(dataBlockSize);
  }

  /**
   * The blocks that these bytes complete; each is its reader's only until the next. Throws `verity/padding` for anything but
   * zeros behind the last block: it would lie in the image and no hash would cover it.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let at = 0;
    while (at < chunk.length && this.#given < this.#count) {
      const end = Math.min(chunk.length, at + this.#size - this.#filled);
      const part = chunk.subarray(at, end);
      at = end;
      const block = this.#completed(part);
      if (block === null) break;
      this.#given += 1;
      yield block;
    }
    const stray = findNonZero(chunk.subarray(at));
    if (stray !== -1) {
      throw new VerityError(
        'verity/padding',
        `byte ${this.#length + at + stray} of the data must be zero: it lies behind the last of ${this.#count} blocks`,
      );
    }
    this.#length += chunk.length;
  }

  /** Throws `verity/size` unless every block came. */
  end(): void {
    if (this.#given === this.#count) return;
    throw new VerityError(
      'verity/size',
      `the data must have ${this.#count} blocks of ${this.#size} bytes, got ${this.#length} bytes`,
    );
  }

  #completed(part: Uint8Array): Uint8Array | null {
    if (this.#filled === 0 && part.length === this.#size) return part;
    this.#partial.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled < this.#size) return null;
    this.#filled = 0;
    return this.#partial;
  }
}
