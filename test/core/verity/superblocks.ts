import type { VeritySuperblock } from '../../../core/verity/superblock.ts';

/** The 512 bytes that dm-verity's format has for it. */
export function superblockBytes(superblock: VeritySuperblock): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write('verity\0\0', 0, 'latin1');
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(1, 12);
  bytes.write(superblock.uuid, 16, 'hex');
  bytes.write(superblock.algorithm, 32, 'latin1');
  bytes.writeUInt32LE(superblock.dataBlockSize, 64);
  bytes.writeUInt32LE(superblock.hashBlockSize, 68);
  bytes.writeBigUInt64LE(BigInt(superblock.dataBlocks), 72);
  bytes.writeUInt16LE(superblock.salt.length, 80);
  bytes.set(superblock.salt, 88);
  return bytes;
}

export function superblockOf(parts: Partial<VeritySuperblock>): VeritySuperblock {
  return {
    ...{ uuid: '0123456789abcdef'.repeat(2), algorithm: 'sha256', salt: Buffer.from('salt') },
    ...{ dataBlockSize: 4096, hashBlockSize: 4096, dataBlocks: 1 },
    ...parts,
  };
}
