import { createHash } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import {
  CompressionError,
  decompress,
  formatOfFile,
} from '../../../adapters/compression/decompress.ts';
import { xxHash32 } from '../../../core/xxhash32.ts';
import type { ImageFormat } from '../../../core/tuf/names.ts';

const LIMIT = 64 * 1024 * 1024;

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function unpack(
  format: ImageFormat,
  bytes: Uint8Array,
  { size = 1000, limit = LIMIT } = {},
): Promise<Buffer> {
  const out = [];
  for await (const chunk of decompress(format, pieces(bytes, size), { limit })) {
    out.push(Buffer.from(chunk));
  }
  return Buffer.concat(out);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CompressionError) return error.code;
    throw error;
  }
  return 'no error';
}

/** Text that compresses, with noise that does not: several blocks, matches near and far. */
function sample(length: number): Buffer {
  const parts = [];
  for (let index = 0, size = 0; size < length; index += 1) {
    const noise = createHash('sha256')
      .update(`${index % 700}`)
      .digest();
    const part = Buffer.concat([noise, Buffer.from('tide '.repeat(index % 50))]);
    parts.push(part);
    size += part.length;
  }
  return Buffer.concat(parts).subarray(0, length);
}

const PACK = {
  raw: (bytes: Buffer) => bytes,
  lz4: (bytes: Buffer) => compressFrameSync(bytes, { contentChecksum: true, blockChecksums: true }),
  zstd: (bytes: Buffer) => zstdCompressSync(bytes),
} as const;
const FORMATS = ['raw', 'lz4', 'zstd'] as const;

describe.each(FORMATS)('decompress %s', (format) => {
  it('gives back what was packed, whatever the chunks', async () => {
    const bytes = sample(300_000);
    for (const size of [7, 4096, 1_000_000]) {
      expect((await unpack(format, PACK[format](bytes), { size })).equals(bytes)).toBe(true);
    }
  });

  it('gives back any bytes at every split', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 1, max: 9 }),
        async (bytes, size) => {
          if (bytes.length === 0) return;
          expect([...(await unpack(format, PACK[format](Buffer.from(bytes)), { size }))]).toEqual([
            ...bytes,
          ]);
        },
      ),
      { seed: 1, numRuns: 200 },
    );
  });

  it('ends a bomb at the limit', async () => {
    const bomb = PACK[format](Buffer.alloc(8 * 1024 * 1024));
    expect(await codeOf(unpack(format, bomb, { limit: 1024 * 1024 }))).toBe('compression/limit');
  });

  it('hands on what the source throws', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield PACK[format](sample(1000)).subarray(0, 20);
      throw new CompressionError('compression/limit', 'from the source');
    }
    const work = async () => {
      for await (const chunk of decompress(format, broken(), { limit: LIMIT }))
        expect(chunk).toBeDefined();
    };
    expect(await codeOf(work())).toBe('compression/limit');
  });
});

describe.each(['lz4', 'zstd'] as const)('decompress %s', (format) => {
  it('refuses an input that ends anywhere before its end', async () => {
    const packed = PACK[format](sample(2000));
    for (let length = 0; length < packed.length; length += 13) {
      expect(await codeOf(unpack(format, packed.subarray(0, length)))).toBe('compression/damaged');
    }
  });

  it('never does anything but refuse when a bit is flipped, or give the same bytes', async () => {
    const bytes = sample(3000);
    const packed = PACK[format](bytes);
    for (let at = 0; at < packed.length; at += 5) {
      const flipped = Buffer.from(packed);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      const out = await unpack(format, flipped).catch((error: unknown) => {
        if (error instanceof CompressionError) return null;
        throw error;
      });
      if (out !== null && format === 'lz4') expect(out.equals(bytes)).toBe(true);
    }
  });
});

describe('decompress zstd', () => {
  const frame = zstdCompressSync(sample(100_000));
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);

  it.each([
    { case: 'two frames in a row', packed: Buffer.concat([frame, frame]) },
    { case: 'a skippable frame before it', packed: Buffer.concat([skippable, frame]) },
    { case: 'garbage behind it', packed: Buffer.concat([frame, Buffer.from('garbage')]) },
  ])(
    'refuses $case, whatever the chunks, and never gives out a part of it as the whole',
    async ({ packed }) => {
      for (const size of [1, 7, frame.length, 65_536, packed.length]) {
        expect(await codeOf(unpack('zstd', packed, { size }))).toBe('compression/damaged');
      }
    },
  );

  it.each([0, 1, 100, 1000, 70_000, 300_000])(
    'reads a frame of %i raw bytes with every header that zstd makes',
    async (length) => {
      const bytes = sample(length);
      for (const checksumFlag of [0, 1]) {
        const packed = zstdCompressSync(bytes, {
          params: { [constants.ZSTD_c_checksumFlag]: checksumFlag },
        });
        expect((await unpack('zstd', packed, { size: 999 })).equals(bytes)).toBe(true);
      }
    },
  );
});

describe('decompress zstd of a frame that asks for memory', () => {
  /** A frame with one stored byte, whose header says how much of the past a decoder must keep. */
  const asking = (...header: readonly number[]) =>
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...header, 9, 0, 0, 0x7a]);
  const windowOf = (log: number) => asking(0, (log - 10) << 3);
  const wholeOf = (size: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(size);
    return asking(0xe0, ...bytes);
  };

  it('takes a window of 128 MiB', async () => {
    expect((await unpack('zstd', windowOf(27))).toString()).toBe('z');
  });

  it.each([
    { case: 'a window of 256 MiB', packed: windowOf(28) },
    { case: 'the largest window there is', packed: asking(0, 0xff) },
    { case: 'a single segment of 1 TiB', packed: wholeOf(2n ** 40n) },
  ])('refuses $case before it gives out a byte', async ({ packed }) => {
    const before = process.memoryUsage().arrayBuffers;
    expect(await codeOf(unpack('zstd', packed))).toBe('compression/damaged');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  });
});

describe('decompress lz4', () => {
  it('decodes no more than the limit lets out, even of one large chunk', async () => {
    const bomb = PACK.lz4(Buffer.alloc(256 * 1024 * 1024));
    const before = process.memoryUsage().arrayBuffers;
    expect(await codeOf(unpack('lz4', bomb, { size: bomb.length, limit: 1024 * 1024 }))).toBe(
      'compression/limit',
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });

  it.each([{ contentChecksum: false }, { contentChecksum: true }, { blockChecksums: true }, {}])(
    'reads frames with %j',
    async (options) => {
      const bytes = sample(500_000);
      expect((await unpack('lz4', compressFrameSync(bytes, options))).equals(bytes)).toBe(true);
    },
  );

  it('reads frames one behind the other, and skips skippable ones', async () => {
    const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);
    const packed = Buffer.concat([PACK.lz4(sample(100)), skippable, PACK.lz4(sample(50))]);
    const expected = Buffer.concat([sample(100), sample(50)]);
    expect((await unpack('lz4', packed, { size: 5 })).equals(expected)).toBe(true);
  });

  it('reads linked blocks, which refer to the block before', async () => {
    const header = [0x44, 0x40];
    const frame = Buffer.from([
      ...[0x04, 0x22, 0x4d, 0x18, ...header, (xxHash32(Uint8Array.from(header)) >>> 8) & 0xff],
      // "abcdefgh" stored, then a match of 8 bytes at offset 8 and the literal "z".
      ...[8, 0, 0, 0x80, ...Buffer.from('abcdefgh')],
      ...[5, 0, 0, 0, 0x04, 8, 0, 0x10, 0x7a],
      ...[0, 0, 0, 0],
    ]);
    const content = Buffer.from('abcdefghabcdefghz');
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32LE(xxHash32(content));
    expect((await unpack('lz4', Buffer.concat([frame, checksum]))).toString()).toBe(
      content.toString(),
    );
  });

  it.each([
    { case: 'a match before the beginning', block: [0x10, 0x61, 9, 0, 0x10, 0x62] },
    { case: 'an offset of zero', block: [0x10, 0x61, 0, 0, 0x10, 0x62] },
    { case: 'literals beyond the block', block: [0xf0, 200, 1] },
    { case: 'a length without an end', block: [0xf0, 255, 255] },
    { case: 'a block without its last literals', block: [0x14, 0x61, 1, 0] },
  ])('refuses $case', async ({ block }) => {
    const header = [0x60, 0x40];
    const frame = Buffer.from([
      ...[0x04, 0x22, 0x4d, 0x18, ...header, (xxHash32(Uint8Array.from(header)) >>> 8) & 0xff],
      ...[block.length, 0, 0, 0, ...block, 0, 0, 0, 0],
    ]);
    expect(await codeOf(unpack('lz4', frame))).toBe('compression/damaged');
  });
});

describe('xxHash32', () => {
  it.each([
    ['', 0x02cc5d05],
    ['a', 0x550d7456],
    ['abc', 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0xe2293b2f],
  ])('of %p is the published value', (text, expected) => {
    expect(xxHash32(Buffer.from(text))).toBe(expected);
  });
});

describe('formatOfFile', () => {
  it.each([
    ['root.img', 'raw'],
    ['root.img.lz4', 'lz4'],
    ['root.ext4.zst', 'zstd'],
    ['root.zstd', 'zstd'],
  ])('%s is %s', (path, format) => {
    expect(formatOfFile(path)).toBe(format);
  });
});
