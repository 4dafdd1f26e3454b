import { VerityError } from './errors.ts';
import { treeLayout } from './layout.ts';
import type { TreeLayout } from './layout.ts';
import { parseSuperblock, SUPERBLOCK_BYTES } from './superblock.ts';
import type { VeritySuperblock } from './superblock.ts';
import { findNonZero } from './zeros.ts';

export type HashImage = { readonly superblock: VeritySuperblock; readonly layout: TreeLayout };

/** Reads along with a hash image, in chunks of any size: its superblock, its size, and zeros wherever no tree lies. */
export class HashImageScan {
  readonly #head = new Uint8Array(SUPERBLOCK_BYTES);
  #found: HashImage | null = null;
  #length = 0;

  /** Throws `verity/superblock`, and `verity/padding` for anything but zeros around the tree. */
  push(chunk: Uint8Array): void {
    const start = this.#length;
    this.#length += chunk.length;
    if (start < SUPERBLOCK_BYTES) {
      this.#head.set(chunk.subarray(0, SUPERBLOCK_BYTES - start), start);
      if (this.#length < SUPERBLOCK_BYTES) return;
      const superblock = parseSuperblock(this.#head);
      this.#found = { superblock, layout: treeLayout(superblock) };
    }
    if (this.#found === null) return;
    const { superblock, layout } = this.#found;
    const within = (from: number, to: number) =>
      chunk.subarray(clamp(from - start), Math.max(clamp(from - start), clamp(to - start)));
    requireZeros(within(SUPERBLOCK_BYTES, superblock.hashBlockSize), 'behind the superblock');
    requireZeros(within(layout.end, this.#length), 'behind the hash tree');
  }

  /** Throws `verity/superblock` if there was none, `verity/size` if the tree is cut off. */
  end(): HashImage {
    if (this.#found === null) {
      throw new VerityError(
        'verity/superblock',
        `the hash image must have a superblock of ${SUPERBLOCK_BYTES} bytes, got ${this.#length}`,
      );
    }
    const { levels, end } = this.#found.layout;
    if (levels.length > 0 && this.#length < end) {
      throw new VerityError(
        'verity/size',
        `the hash image must have ${end} bytes, got ${this.#length}`,
      );
    }
    return this.#found;
  }
}

function clamp(at: number): number {
  return Math.max(0, at);
}

function requireZeros(bytes: Uint8Array, where: string): void {
  if (findNonZero(bytes) === -1) return;
  throw new VerityError('verity/padding', `the hash image has more than zeros ${where}`);
}
