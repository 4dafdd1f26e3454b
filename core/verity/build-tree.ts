import { blockDigest } from './block-digest.ts';
import type { BlockDigest } from './block-digest.ts';
import { DataBlocks } from './data-blocks.ts';
import { treeLayout } from './layout.ts';
import type { VeritySuperblock } from './superblock.ts';

/** A block of the hash tree; level 0 holds the digests of the data. */
export type TreeBlock = {
  readonly level: number;
  readonly index: number;
  readonly bytes: Uint8Array;
};

type OpenBlock = { index: number; filled: number; bytes: Uint8Array };

/** Makes the hash tree in one pass over the data, holding one block of each level. */
export class TreeBuilder {
  readonly #data: DataBlocks;
  readonly #digest: BlockDigest;
  readonly #hashBlockSize: number;
  readonly #open: readonly OpenBlock[];
  #rootHash = '';

  constructor(superblock: VeritySuperblock) {
    this.#data = new DataBlocks(superblock);
    this.#digest = blockDigest(superblock);
    this.#hashBlockSize = superblock.hashBlockSize;
    this.#open = treeLayout(superblock).levels.map(() => ({
      index: 0,
      filled: 0,
      bytes: new Uint8Array(superblock.hashBlockSize),
    }));
  }

  /** The hash blocks that these bytes of the data complete. Throws `verity/padding` as DataBlocks does. */
  *push(chunk: Uint8Array): Generator<TreeBlock, void, undefined> {
    for (const block of this.#data.push(chunk)) yield* this.#add(0, this.#digest(block));
  }

  /** The hash blocks that are left, and then the root hash in hex. Throws `verity/size` unless all the data came. */
  *end(): Generator<TreeBlock, string, undefined> {
    this.#data.end();
    for (const [level, { filled }] of this.#open.entries()) {
      if (filled > 0) yield* this.#close(level);
    }
    return this.#rootHash;
  }

  *#add(level: number, digest: Buffer): Generator<TreeBlock, void, undefined> {
    const open = this.#open[level];
    if (open === undefined) {
      this.#rootHash = digest.toString('hex');
      return;
    }
    open.bytes.set(digest, open.filled);
    open.filled += digest.length;
    if (open.filled === this.#hashBlockSize) yield* this.#close(level);
  }

  *#close(level: number): Generator<TreeBlock, void, undefined> {
    const open = this.#open[level];
    if (open === undefined) return;
    const { index, bytes } = open;
    open.index += 1;
    open.filled = 0;
    open.bytes = new Uint8Array(this.#hashBlockSize);
    yield { level, index, bytes };
    yield* this.#add(level + 1, this.#digest(bytes));
  }
}
