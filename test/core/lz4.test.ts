import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { Lz4Decoder, Lz4Error } from '../../core/lz4.ts';
import { xxHash32 } from '../../core/xxhash32.ts';

function decode(chunks: Iterable<Uint8Array>): Buffer {
  const decoder = new Lz4Decoder();
  const out = [];
  for (const chunk of chunks) for (const block of decoder.push(chunk)) out.push(Buffer.from(block));
  decoder.end();
  return Buffer.concat(out);
}

/** The raw bytes, or the code of the refusal; anything else is thrown on. */
function outcome(...chunks: readonly Uint8Array[]): string {
  try {
    return decode(chunks).toString('latin1');
  } catch (error) {
    if (error instanceof Lz4Error) return error.code;
    throw error;
  }
}

const word = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};

type FrameOptions = {
  readonly linked?: boolean;
  readonly blockChecksums?: boolean;
  readonly contentSize?: number;
  readonly contentChecksum?: number;
};

const MAGIC = word(0x184d2204);
/** Blocks of at most 64 KiB. */
const BLOCK_64K = 0x40;

/** A frame as the LZ4 Frame Format describes it, around blocks that were made by hand. */
function frame(blocks: readonly Buffer[], options: FrameOptions = {}): Buffer {
  const { linked = false, blockChecksums = false, contentSize, contentChecksum } = options;
  const flags =
    0x40 |
    (linked ? 0 : 0x20) |
    (blockChecksums ? 0x10 : 0) |
    (contentSize === undefined ? 0 : 8) |
    (contentChecksum === undefined ? 0 : 4);
  const size = contentSize === undefined ? [] : [word(contentSize), word(0)];
  const descriptor = Buffer.concat([Buffer.from([flags, BLOCK_64K]), ...size]);
  return Buffer.concat([
    MAGIC,
    descriptor,
    Buffer.from([(xxHash32(descriptor) >>> 8) & 0xff]),
    ...blocks.flatMap((block) => [
      word(block.length),
      block,
      ...(blockChecksums ? [word(xxHash32(block))] : []),
    ]),
    word(0),
    ...(contentChecksum === undefined ? [] : [word(contentChecksum)]),
  ]);
}

type Sequence = { readonly literals: Uint8Array; readonly back: number; readonly match: number };

/** One compressed block, and what the sequences mean by the plainest reading of the format. */
function encode(sequences: readonly Sequence[], last: Uint8Array, history: readonly number[]) {
  const raw = [...history];
  const parts: Buffer[] = [];
  const extra = (length: number): number[] => {
    if (length < 15) return [];
    const rest = length - 15;
    return [...Array.from({ length: Math.floor(rest / 255) }, () => 255), rest % 255];
  };
  const nibble = (length: number) => Math.min(length, 15);
  for (const { literals, back, match } of sequences) {
    raw.push(...literals);
    if (raw.length === 0) continue;
    const offset = 1 + (back % Math.min(raw.length, 65_535));
    for (let count = 0; count < match; count += 1) raw.push(raw.at(-offset) ?? 0);
    const token = (nibble(literals.length) << 4) | nibble(match - 4);
    parts.push(
      Buffer.from([token, ...extra(literals.length), ...literals]),
      Buffer.from([offset & 255, offset >>> 8, ...extra(match - 4)]),
    );
  }
  raw.push(...last);
  parts.push(Buffer.from([nibble(last.length) << 4, ...extra(last.length), ...last]));
  return { block: Buffer.concat(parts), raw };
}

const anySequence = fc.record({
  literals: fc.uint8Array({ maxLength: 40 }),
  back: fc.nat(70_000),
  match: fc.integer({ min: 4, max: 600 }),
});
const anyBlock = fc.record({
  sequences: fc.array(anySequence, { maxLength: 12 }),
  last: fc.uint8Array({ minLength: 1, maxLength: 300 }),
});

describe('Lz4Decoder', () => {
  it.each([false, true])('reads what the format means, blocks linked: %p', (linked) => {
    fc.assert(
      fc.property(fc.array(anyBlock, { maxLength: 6 }), fc.boolean(), (blocks, blockChecksums) => {
        let content: number[] = [];
        const packed = blocks.map(({ sequences, last }) => {
          const history = linked ? content.slice(-65_536) : [];
          const { block, raw } = encode(sequences, last, history);
          content = [...content, ...raw.slice(history.length)];
          return block;
        });
        const expected = Buffer.from(content);
        const options = {
          linked,
          blockChecksums,
          contentSize: expected.length,
          contentChecksum: xxHash32(expected),
        };
        expect(decode([frame(packed, options)]).equals(expected)).toBe(true);
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  it('refers back over 64 KiB and several blocks, and no further', () => {
    const noise = Buffer.from(Array.from({ length: 65_535 }, (_, index) => (index * 7919) >>> 5));
    const stored = (bytes: Buffer) => Buffer.concat([word(0x80000000 + bytes.length), bytes]);
    // One stored block by its mark, then a match at the longest distance there is.
    const far = Buffer.from([0x00, 0xff, 0xff, 0x10, 0x7a]);
    const header = frame([], { linked: true }).subarray(0, 7);
    const linked = Buffer.concat([header, stored(noise), word(far.length), far, word(0)]);
    expect(
      decode([linked]).equals(Buffer.concat([noise, noise.subarray(0, 4), Buffer.from('z')])),
    ).toBe(true);
    const short = Buffer.concat([
      header,
      stored(noise.subarray(1)),
      word(far.length),
      far,
      word(0),
    ]);
    expect(outcome(short)).toBe('lz4/damaged');
  });

  it('gives the same at every place where the input can be cut in two', () => {
    const raw = Buffer.from('tidegate '.repeat(30));
    const packed = compressFrameSync(raw, { contentChecksum: true, blockChecksums: true });
    for (let at = 0; at <= packed.length; at += 1) {
      expect(decode([packed.subarray(0, at), packed.subarray(at)]).equals(raw)).toBe(true);
    }
  });

  it('does not mind a caller that uses its buffer again', () => {
    const raw = Buffer.from('tidegate '.repeat(30));
    const packed = compressFrameSync(raw, { contentChecksum: true, blockChecksums: true });
    const buffer = new Uint8Array(1);
    function* reused(): Generator<Uint8Array> {
      for (const byte of packed) {
        buffer[0] = byte;
        yield buffer;
      }
    }
    expect(decode(reused()).equals(raw)).toBe(true);
  });

  it('takes time in proportion to the input, even when a large block comes byte by byte', () => {
    // Noise, so that the one block is as large as the content.
    const raw = Buffer.concat(
      Array.from({ length: 20_000 }, (_, index) =>
        createHash('sha256').update(`${index}`).digest(),
      ),
    );
    const packed = compressFrameSync(raw, {});
    function* bytes(): Generator<Uint8Array> {
      for (let at = 0; at < packed.length; at += 1) yield packed.subarray(at, at + 1);
    }
    const since = performance.now();
    expect(decode(bytes()).equals(raw)).toBe(true);
    // It takes a tenth of a second, and would take a minute in proportion to the square.
    expect(performance.now() - since).toBeLessThan(10_000);
  });

  it('refuses every cut', () => {
    const packed = frame([Buffer.from([0x30, 0x61, 0x62, 0x63])], {
      contentChecksum: xxHash32(Buffer.from('abc')),
    });
    for (let length = 0; length < packed.length; length += 1) {
      expect(outcome(packed.subarray(0, length))).toBe('lz4/truncated');
    }
    expect(outcome(packed)).toBe('abc');
  });

  const block = Buffer.from([0x30, 0x61, 0x62, 0x63]);
  const changed = (bytes: Buffer, at: number, value: number) => {
    const copy = Buffer.from(bytes);
    copy[at] = value;
    return copy;
  };
  const rehead = (flags: number, sizes: number) => {
    const descriptor = Buffer.from([flags, sizes]);
    const check = Buffer.from([(xxHash32(descriptor) >>> 8) & 0xff]);
    return Buffer.concat([MAGIC, descriptor, check, word(4), block, word(0)]);
  };

  it.each([
    { case: 'another magic number', bytes: Buffer.from('PK\u0003\u0004 zip'), code: 'lz4/damaged' },
    {
      case: 'the legacy format',
      bytes: Buffer.concat([word(0x184c2102), block]),
      code: 'lz4/damaged',
    },
    {
      case: 'a header with a wrong checksum',
      bytes: changed(frame([block]), 6, 0),
      code: 'lz4/damaged',
    },
    { case: 'a frame with a dictionary', bytes: rehead(0x61, BLOCK_64K), code: 'lz4/unsupported' },
    { case: 'another version', bytes: rehead(0xa0, BLOCK_64K), code: 'lz4/unsupported' },
    { case: 'a reserved flag', bytes: rehead(0x62, BLOCK_64K), code: 'lz4/damaged' },
    { case: 'a reserved block size', bytes: rehead(0x60, 0x30), code: 'lz4/damaged' },
    {
      case: 'a block above its maximum',
      bytes: frame([Buffer.alloc(65_537)]),
      code: 'lz4/damaged',
    },
    {
      case: 'a block with a wrong checksum',
      bytes: changed(frame([block], { blockChecksums: true }), 15, 9),
      code: 'lz4/damaged',
    },
    {
      case: 'a content with a wrong checksum',
      bytes: frame([block], { contentChecksum: 1 }),
      code: 'lz4/damaged',
    },
    {
      case: 'a content of another size',
      bytes: frame([block], { contentSize: 4 }),
      code: 'lz4/damaged',
    },
    {
      case: 'something behind the frame',
      bytes: Buffer.concat([frame([block]), block]),
      code: 'lz4/damaged',
    },
    {
      case: 'a block that unpacks to more than its maximum',
      bytes: frame([
        Buffer.from([0x1f, 0x61, 1, 0, ...Array.from({ length: 300 }, () => 255), 0, 0x10, 0x62]),
      ]),
      code: 'lz4/damaged',
    },
  ])('refuses $case', ({ bytes, code }) => {
    expect(outcome(bytes)).toBe(code);
  });

  it('either refuses or gives back the same bytes when anything is changed', () => {
    const raw = Buffer.from('tide and time '.repeat(40));
    const packed = compressFrameSync(raw, { contentChecksum: true });
    fc.assert(
      fc.property(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const result = outcome(changed(packed, at, (packed[at] ?? 0) ^ difference));
        expect([
          raw.toString('latin1'),
          'lz4/damaged',
          'lz4/truncated',
          'lz4/unsupported',
        ]).toContain(result);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('refuses any blocks of garbage, and never gives more than a block may hold', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.boolean(),
        (bytes, linked) => {
          const decoder = new Lz4Decoder();
          let size = 0;
          try {
            for (const part of decoder.push(frame([Buffer.from(bytes)], { linked })))
              size += part.length;
          } catch (error) {
            if (!(error instanceof Lz4Error)) throw error;
          }
          expect(size).toBeLessThanOrEqual(65_536);
        },
      ),
      { seed: 1, numRuns: 1000 },
    );
  });
});
