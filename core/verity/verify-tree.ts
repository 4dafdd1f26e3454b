import { blockDigest } from './block-digest.ts';
import type { BlockDigest } from './block-digest.ts';
import { DataBlocks } from './data-blocks.ts';
import { VerityError } from './errors.ts';
import { treeLayout } from './layout.ts';
import type { TreeLayout } from './layout.ts';
import { digestBytes } from './superblock.ts';
import type { VeritySuperblock } from './superblock.ts';
import { findNonZero } from './zeros.ts';

/** A block of the hash image that is needed next. Those of one level are asked for in order and once each. */
export type WantedBlock = {
  readonly level: number;
  /** In bytes from the begin of the hash image. */
  readonly offset: number;
  readonly length: number;
};

type HeldBlock = { readonly index: number; readonly bytes: Uint8Array };

/**
 * Checks data and hash tree against the root hash in one pass over the data, top down as the kernel does when it reads a
 * block: so the first wrong block is named for what it is. Holds one block of each level. It yields which hash block it
 * needs, and is given its bytes, which it keeps. Throws VerityError.
 */
export class TreeVerifier {
  readonly #data: DataBlocks;
  readonly #digest: BlockDigest;
  readonly #layout: TreeLayout;
  readonly #superblock: VeritySuperblock;
  readonly #rootHash: Buffer;
  readonly #held: (HeldBlock | null)[];
  #next = 0;

  constructor(superblock: VeritySuperblock, rootHash: string) {
    const expected = digestBytes(superblock) * 2;
    if (rootHash.length !== expected) {
      throw new VerityError(
        'verity/superblock',
        `the hash image is made with ${superblock.algorithm}: the root hash must have ${expected} hex digits, got ${rootHash.length}`,
      );
    }
    this.#data = new DataBlocks(superblock);
    this.#digest = blockDigest(superblock);
    this.#layout = treeLayout(superblock);
    this.#superblock = superblock;
    this.#rootHash = Buffer.from(rootHash, 'hex');
    this.#held = this.#layout.levels.map(() => null);
  }

  *push(chunk: Uint8Array): Generator<WantedBlock, void, Uint8Array> {
    for (const block of this.#data.push(chunk)) {
      const index = this.#next;
      if (!(yield* this.#isExpected(0, index, block))) {
        const at = index * this.#superblock.dataBlockSize;
        throw new VerityError(
          'verity/data-block',
          `data block ${index} (byte ${at}) does not match its hash`,
        );
      }
      this.#next += 1;
    }
  }

  /** Throws `verity/size` unless all the data came: only then every block of data and tree was compared. */
  end(): void {
    this.#data.end();
  }

  /** Whether the block has the digest that level `level` of the tree holds for it. */
  *#isExpected(
    level: number,
    index: number,
    block: Uint8Array,
  ): Generator<WantedBlock, boolean, Uint8Array> {
    const digest = this.#digest(block);
    if (level === this.#layout.levels.length) return digest.equals(this.#rootHash);
    const { fanout } = this.#layout;
    const parent = yield* this.#hashBlock(level, Math.floor(index / fanout));
    const at = (index % fanout) * digest.length;
    return digest.compare(parent, at, at + digest.length) === 0;
  }

  *#hashBlock(level: number, index: number): Generator<WantedBlock, Uint8Array, Uint8Array> {
    const held = this.#held[level];
    if (held?.index === index) return held.bytes;
    const { offset: start = 0, children = 0 } = this.#layout.levels[level] ?? {};
    const { hashBlockSize } = this.#superblock;
    const offset = start + index * hashBlockSize;
    const bytes = yield { level, offset, length: hashBlockSize };
    const what = `hash block ${index} of level ${level} (byte ${offset} of the hash image)`;
    if (bytes.length !== hashBlockSize) {
      throw new VerityError('verity/size', `${what} ends after ${bytes.length} bytes`);
    }
    if (!(yield* this.#isExpected(level + 1, index, bytes))) {
      const above = level + 1 === this.#layout.levels.length ? 'the root hash' : 'its hash';
      throw new VerityError('verity/hash-block', `${what} does not match ${above}`);
    }
    const { fanout } = this.#layout;
    const used = Math.min(fanout, children - index * fanout) * digestBytes(this.#superblock);
    // A tree that is signed whole and still has more than hashes in it was not made by a tool that we know.
    if (findNonZero(bytes.subarray(used)) !== -1) {
      throw new VerityError('verity/padding', `${what} has more than zeros behind its hashes`);
    }
    this.#held[level] = { index, bytes };
    return bytes;
  }
}
