import { TreeBuilder } from '../../../core/verity/build-tree.ts';
import type { TreeBlock } from '../../../core/verity/build-tree.ts';
import { treeLayout } from '../../../core/verity/layout.ts';
import { HashImageScan } from '../../../core/verity/scan-hash-image.ts';
import type { VeritySuperblock } from '../../../core/verity/superblock.ts';
import { TreeVerifier } from '../../../core/verity/verify-tree.ts';
import type { WantedBlock } from '../../../core/verity/verify-tree.ts';
import { superblockBytes } from './superblocks.ts';

export function inChunks(bytes: Uint8Array, size: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

/** What `veritysetup format` would write, made by TreeBuilder. */
export function formatted(superblock: VeritySuperblock, chunks: Iterable<Uint8Array>) {
  const layout = treeLayout(superblock);
  const hashImage = Buffer.alloc(layout.end);
  superblockBytes(superblock).copy(hashImage);
  const place = ({ level, index, bytes }: TreeBlock) => {
    hashImage.set(bytes, (layout.levels[level]?.offset ?? 0) + index * superblock.hashBlockSize);
  };
  const builder = new TreeBuilder(superblock);
  for (const chunk of chunks) for (const block of builder.push(chunk)) place(block);
  const rest = builder.end();
  for (;;) {
    const { value, done } = rest.next();
    if (done === true) return { hashImage, rootHash: value };
    place(value);
  }
}

/** Verifies as an agent does, with the whole hash image at hand; returns the hash blocks that were asked for. */
export function verify(
  hashImage: Buffer,
  rootHash: string,
  chunks: Iterable<Uint8Array>,
): readonly WantedBlock[] {
  const scan = new HashImageScan();
  for (const chunk of inChunks(hashImage, 1000)) scan.push(chunk);
  const verifier = new TreeVerifier(scan.end().superblock, rootHash);
  const wanted: WantedBlock[] = [];
  for (const chunk of chunks) {
    const work = verifier.push(chunk);
    for (let step = work.next(); step.done !== true;) {
      const { offset, length } = step.value;
      wanted.push(step.value);
      step = work.next(hashImage.subarray(offset, offset + length));
    }
  }
  verifier.end();
  return wanted;
}
