import { digestBytes } from './superblock.ts';
import type { VeritySuperblock } from './superblock.ts';

/** One level of the hash tree in the hash image. */
export type TreeLevel = {
  /** Of the level's first block, in bytes from the begin of the hash image. */
  readonly offset: number;
  readonly blocks: number;
  /** Blocks that its digests are of: of the data, or of the level below. */
  readonly children: number;
};

export type TreeLayout = {
  /** From the one that holds the digests of the data up to the one with a single block; none for a single data block. */
  readonly levels: readonly TreeLevel[];
  /** Digests that a hash block holds. */
  readonly fanout: number;
  /** Where the tree ends, in bytes from the begin of the hash image. */
  readonly end: number;
};

/** Where the tree lies: behind the superblock's own hash block, the level of the root first. */
export function treeLayout(superblock: VeritySuperblock): TreeLayout {
  const { hashBlockSize, dataBlocks } = superblock;
  // Both are powers of two, so digests fill a block without a rest.
  const fanout = hashBlockSize / digestBytes(superblock);
  const counts: number[] = [];
  for (let children = dataBlocks; children > 1; children = Math.ceil(children / fanout)) {
    counts.push(children);
  }
  let end = hashBlockSize;
  const fromRoot = counts.toReversed().map((children): TreeLevel => {
    const [offset, blocks] = [end, Math.ceil(children / fanout)];
    end += blocks * hashBlockSize;
    return { offset, blocks, children };
  });
  return { levels: fromRoot.toReversed(), fanout, end };
}
