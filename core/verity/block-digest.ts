import { hash } from 'node:crypto';
import type { VeritySuperblock } from './superblock.ts';

export type BlockDigest = (block: Uint8Array) => Buffer;

/** The digest of a data or hash block: that of the salt with the block behind it. */
export function blockDigest(superblock: VeritySuperblock): BlockDigest {
  const { algorithm, salt, dataBlockSize, hashBlockSize } = superblock;
  if (salt.length === 0) return (block) => hash(algorithm, block, 'buffer');
  // One call over salt and block takes half the time of a hash object that is given both.
  const input = new Uint8Array(salt.length + Math.max(dataBlockSize, hashBlockSize));
  input.set(salt);
  return (block) => {
    input.set(block, salt.length);
    return hash(algorithm, input.subarray(0, salt.length + block.length), 'buffer');
  };
}
