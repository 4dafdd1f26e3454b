import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { VerityError } from '../../../core/verity/errors.ts';
import { treeLayout } from '../../../core/verity/layout.ts';
import { parseSuperblock } from '../../../core/verity/superblock.ts';
import type { VeritySuperblock } from '../../../core/verity/superblock.ts';
import { noise } from '../../support/noise.ts';
import { superblockBytes, superblockOf } from './superblocks.ts';
import { formatted, inChunks, verify } from './trees.ts';

/** The message of the VerityError behind its code; anything else is thrown on. */
function outcome(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof VerityError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'fine';
}

/** The plainest reading of the format: whole levels in memory, each made of the one below. */
function naive(superblock: VeritySuperblock, data: Buffer) {
  const { algorithm, salt, dataBlockSize, hashBlockSize } = superblock;
  const digest = (block: Uint8Array) => createHash(algorithm).update(salt).update(block).digest();
  let digests = inChunks(data, dataBlockSize).map(digest);
  const levels: Buffer[] = [];
  while (digests.length > 1) {
    const bytes = Buffer.concat(digests);
    const padding = (hashBlockSize - (bytes.length % hashBlockSize)) % hashBlockSize;
    const level = Buffer.concat([bytes, Buffer.alloc(padding)]);
    levels.unshift(level);
    digests = inChunks(level, hashBlockSize).map(digest);
  }
  const head = Buffer.alloc(hashBlockSize);
  superblockBytes(superblock).copy(head);
  return { hashImage: Buffer.concat([head, ...levels]), rootHash: digests[0]?.toString('hex') };
}

/** The data of the largest image there is below; smaller ones are its beginning. */
const NOISE = noise(700 * 4096);

const anyImage = fc
  .record({
    algorithm: fc.constantFrom('sha256' as const, 'sha512' as const),
    dataBlockSize: fc.constantFrom(512, 1024, 4096),
    hashBlockSize: fc.constantFrom(512, 1024, 4096),
    dataBlocks: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 700 })),
    salt: fc.uint8Array({ maxLength: 256 }),
  })
  .map(superblockOf);

const SMALL = superblockOf({ dataBlockSize: 512, hashBlockSize: 512, dataBlocks: 300 });
const DATA = NOISE.subarray(0, 300 * 512);
const TREE = formatted(SMALL, [DATA]);

describe('TreeBuilder', () => {
  it('makes the tree that the plainest reading of the format makes, whatever the chunks', () => {
    fc.assert(
      fc.property(anyImage, fc.integer({ min: 1, max: 9000 }), (superblock, size) => {
        const data = NOISE.subarray(0, superblock.dataBlocks * superblock.dataBlockSize);
        const made = formatted(superblock, inChunks(data, size));
        const expected = naive(superblock, data);
        expect(made.rootHash).toBe(expected.rootHash);
        expect(made.hashImage.equals(expected.hashImage)).toBe(true);
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  it('refuses data that ends early, and more than zeros behind it', () => {
    expect(outcome(() => formatted(SMALL, [DATA.subarray(1)]))).toMatch(/^verity\/size/);
    expect(outcome(() => formatted(SMALL, [DATA, Buffer.from([0, 1])]))).toBe(
      'verity/padding: byte 153601 of the data must be zero: it lies behind the last of 300 blocks',
    );
    expect(formatted(SMALL, [DATA, Buffer.alloc(1000)]).rootHash).toBe(TREE.rootHash);
  });
});

describe('treeLayout', () => {
  it.each([
    { dataBlocks: 1, counts: [] },
    { dataBlocks: 2, counts: [1] },
    { dataBlocks: 128, counts: [1] },
    { dataBlocks: 129, counts: [2, 1] },
    { dataBlocks: 128 * 128, counts: [128, 1] },
    { dataBlocks: 128 * 128 + 1, counts: [129, 2, 1] },
    { dataBlocks: 2 ** 28, counts: [2 ** 21, 2 ** 14, 128, 1] },
  ])('of $dataBlocks data blocks has levels of $counts hash blocks', ({ dataBlocks, counts }) => {
    const { levels, end } = treeLayout(superblockOf({ dataBlocks }));
    expect(levels.map(({ blocks }) => blocks)).toEqual(counts);
    expect(end).toBe(4096 * (1 + counts.reduce<number>((sum, count) => sum + count, 0)));
  });
});

describe('TreeVerifier', () => {
  it('takes what TreeBuilder made, and asks for every hash block once, level by level in order', () => {
    fc.assert(
      fc.property(anyImage, fc.integer({ min: 1, max: 9000 }), (superblock, size) => {
        const data = NOISE.subarray(0, superblock.dataBlocks * superblock.dataBlockSize);
        const { hashImage, rootHash } = formatted(superblock, [data]);
        const wanted = verify(hashImage, rootHash, inChunks(data, size));
        const { levels } = treeLayout(superblock);
        for (const [level, { offset, blocks }] of levels.entries()) {
          expect(wanted.filter((of) => of.level === level).map((of) => of.offset)).toEqual(
            Array.from({ length: blocks }, (_, index) => offset + index * superblock.hashBlockSize),
          );
        }
      }),
      { seed: 2, numRuns: 150 },
    );
  });

  it('finds any changed byte of data, tree or root hash, and says which block it is in', () => {
    const { levels } = treeLayout(SMALL);
    fc.assert(
      fc.property(fc.nat(DATA.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const data = Buffer.from(DATA);
        data[at] = (data[at] ?? 0) ^ difference;
        expect(outcome(() => verify(TREE.hashImage, TREE.rootHash, [data]))).toMatch(
          new RegExp(`^verity/data-block: data block ${Math.floor(at / 512)} `),
        );
      }),
      { seed: 3, numRuns: 100 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 512, max: TREE.hashImage.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, difference) => {
          const hashImage = Buffer.from(TREE.hashImage);
          hashImage[at] = (hashImage[at] ?? 0) ^ difference;
          const level = levels.findIndex(({ offset }) => at >= offset);
          const index = Math.floor((at - (levels[level]?.offset ?? 0)) / 512);
          expect(outcome(() => verify(hashImage, TREE.rootHash, [DATA]))).toMatch(
            new RegExp(`^verity/hash-block: hash block ${index} of level ${level} `),
          );
        },
      ),
      { seed: 4, numRuns: 200 },
    );
    const other = TREE.rootHash.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    expect(outcome(() => verify(TREE.hashImage, other, [DATA]))).toBe(
      'verity/hash-block: hash block 0 of level 2 (byte 512 of the hash image) does not match the root hash',
    );
  });

  it('names the first of several wrong blocks', () => {
    const data = Buffer.from(DATA).fill(0, 70 * 512, 90 * 512);
    expect(outcome(() => verify(TREE.hashImage, TREE.rootHash, [data]))).toBe(
      'verity/data-block: data block 70 (byte 35840) does not match its hash',
    );
  });

  it('compares a single block with the root hash itself', () => {
    const single = superblockOf({});
    const data = NOISE.subarray(0, 4096);
    const { hashImage, rootHash } = formatted(single, [data]);
    expect(verify(hashImage, rootHash, [data])).toEqual([]);
    // A tool may leave the rest of the superblock's block away: nothing lies there.
    expect(verify(hashImage.subarray(0, 512), rootHash, [data])).toEqual([]);
    expect(
      outcome(() => verify(hashImage, rootHash, [NOISE.subarray(0, 4095), Buffer.from('x')])),
    ).toMatch(/^verity\/data-block: data block 0 /);
  });

  it('refuses a tree with more than zeros behind its hashes, even if all its hashes are right', () => {
    const superblock = superblockOf({ dataBlockSize: 512, hashBlockSize: 512, dataBlocks: 3 });
    const data = NOISE.subarray(0, 3 * 512);
    const { hashImage } = formatted(superblock, [data]);
    hashImage[512 + 3 * 32] = 1;
    const digest = createHash('sha256').update(superblock.salt).update(hashImage.subarray(512));
    expect(outcome(() => verify(hashImage, digest.digest('hex'), [data]))).toMatch(
      /^verity\/padding: hash block 0 of level 0 /,
    );
  });

  it('refuses data that ends early, and more than zeros behind it', () => {
    const { hashImage, rootHash } = TREE;
    expect(outcome(() => verify(hashImage, rootHash, [DATA.subarray(0, -512)]))).toMatch(
      /^verity\/size/,
    );
    expect(outcome(() => verify(hashImage, rootHash, [DATA, Buffer.from('x')]))).toMatch(
      /^verity\/padding/,
    );
    expect(outcome(() => verify(hashImage, rootHash, [DATA, Buffer.alloc(4096)]))).toBe('fine');
  });

  it('refuses a root hash of another length than the algorithm has', () => {
    expect(outcome(() => verify(TREE.hashImage, 'ab'.repeat(64), [DATA]))).toMatch(
      /^verity\/superblock: .* 64 hex digits, got 128$/,
    );
  });
});

describe('HashImageScan', () => {
  const { hashImage, rootHash } = formatted(superblockOf({ dataBlocks: 200 }), [
    NOISE.subarray(0, 200 * 4096),
  ]);
  const scanned = (bytes: Buffer) =>
    outcome(() => verify(bytes, rootHash, [NOISE.subarray(0, 200 * 4096)]));

  it('takes zeros behind the tree, as a partition has them', () => {
    expect(scanned(Buffer.concat([hashImage, Buffer.alloc(5000)]))).toBe('fine');
  });

  it.each([
    ['behind the superblock', Buffer.from(hashImage).fill(1, 512, 513)],
    ['at the end of the superblock’s block', Buffer.from(hashImage).fill(1, 4095, 4096)],
    ['behind the tree', Buffer.concat([hashImage, Buffer.alloc(2000), Buffer.from('x')])],
  ])('refuses more than zeros %s', (_where, bytes) => {
    expect(scanned(bytes)).toMatch(/^verity\/padding/);
  });

  it('refuses an image that is cut anywhere', () => {
    for (const length of [0, 1, 511]) {
      expect(scanned(hashImage.subarray(0, length))).toMatch(/^verity\/superblock/);
    }
    for (const length of [512, 4096, hashImage.length - 1]) {
      expect(scanned(hashImage.subarray(0, length))).toMatch(/^verity\/size/);
    }
  });
});

describe('parseSuperblock', () => {
  const superblock = superblockOf({ dataBlocks: 5, algorithm: 'sha512', hashBlockSize: 1024 });
  const bytes = superblockBytes(superblock);
  const changed = (change: (bytes: Buffer) => void) => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  };

  it('reads what the format says', () => {
    const { salt, ...rest } = parseSuperblock(bytes);
    expect(rest).toEqual({ ...superblock, salt: undefined });
    expect(Buffer.from(salt).toString()).toBe('salt');
  });

  it.each([
    { case: 'too few bytes', of: bytes.subarray(0, 511) },
    { case: 'another signature', of: changed((of) => of.write('verify')) },
    { case: 'another version', of: changed((of) => of.writeUInt32LE(2, 8)) },
    { case: 'the hash type of Chrome OS', of: changed((of) => of.writeUInt32LE(0, 12)) },
    { case: 'SHA-1', of: changed((of) => of.write('sha1\0\0', 32, 'latin1')) },
    { case: 'bytes behind the algorithm', of: changed((of) => of.write('x', 50)) },
    { case: 'data blocks of no power of two', of: changed((of) => of.writeUInt32LE(1536, 64)) },
    { case: 'data blocks of 256 bytes', of: changed((of) => of.writeUInt32LE(256, 64)) },
    { case: 'hash blocks of 128 KiB', of: changed((of) => of.writeUInt32LE(131_072, 68)) },
    { case: 'hash blocks of no bytes', of: changed((of) => of.writeUInt32LE(0, 68)) },
    { case: 'hash blocks of 2 GiB', of: changed((of) => of.writeUInt32LE(2 ** 31, 68)) },
    { case: 'no data', of: changed((of) => of.writeBigUInt64LE(0n, 72)) },
    { case: 'more data than there is', of: changed((of) => of.writeBigUInt64LE(2n ** 63n, 72)) },
    { case: 'a salt that is too long', of: changed((of) => of.writeUInt16LE(257, 80)) },
    { case: 'a gap that is not zero', of: changed((of) => of.writeUInt8(1, 87)) },
    { case: 'more behind the salt', of: changed((of) => of.writeUInt8(1, 92)) },
    { case: 'an end that is not zero', of: changed((of) => of.writeUInt8(1, 511)) },
  ])('refuses $case', ({ of }) => {
    expect(outcome(() => parseSuperblock(of))).toMatch(/^verity\/superblock/);
  });
});
