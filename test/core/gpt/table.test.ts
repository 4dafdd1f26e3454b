import { crc32 } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  isSameTable,
  joinCopy,
  otherCopy,
  runsOf,
  withAttributes,
} from '../../../core/gpt/copy.ts';
import { parseEntries } from '../../../core/gpt/entries.ts';
import { GptError } from '../../../core/gpt/errors.ts';
import { readGuid, writeGuid } from '../../../core/gpt/guid.ts';
import { encodeHeader, parseHeader } from '../../../core/gpt/header.ts';
import type { GptHeader } from '../../../core/gpt/header.ts';
import { sampleCopy, sampleGuid, slotPartitions } from '../../support/gpt-samples.ts';

const COPY = sampleCopy(slotPartitions());
const SHAPE = { sectorSize: 512, sectorCount: COPY.header.alternateLba + 1 } as const;

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof GptError) return error.code;
    throw error;
  }
  return 'no error';
}

const shapes = fc.record({
  sectorSize: fc.constantFrom(512 as const, 4096 as const),
  entryCount: fc.integer({ min: 7, max: 300 }),
  entrySize: fc.constantFrom(128, 256, 512, 1024),
  gap: fc.integer({ min: 0, max: 3 }),
});

describe('guid', () => {
  it('has its first three groups in little-endian order', () => {
    const bytes = new Uint8Array(16);
    writeGuid(bytes, 0, '00112233-4455-6677-8899-aabbccddeeff');
    expect(Buffer.from(bytes).toString('hex')).toBe('33221100554477668899aabbccddeeff');
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const copy = new Uint8Array(16);
        writeGuid(copy, 0, readGuid(bytes, 0));
        expect(copy).toEqual(bytes);
      }),
    );
  });
});

describe('a copy of the table', () => {
  it('is read as it was written, with any sector size, entry count and entry size', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const copy = sampleCopy(slotPartitions(), shape);
        const disk = { sectorSize: shape.sectorSize, sectorCount: copy.header.alternateLba + 1 };
        for (const half of [copy, otherCopy(copy)]) {
          const header = parseHeader(encodeHeader(half.header), half.header.myLba, disk);
          expect(joinCopy(header, half.entries)).toEqual(half);
        }
        expect(otherCopy(otherCopy(copy))).toEqual(copy);
        expect(parseEntries(copy.header, copy.entries).map(({ name }) => name)).toEqual(
          slotPartitions().map(({ name }) => name),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('keeps what a longer header says behind the part that is known', () => {
    const header: GptHeader = { ...COPY.header, reserved: 7, extra: Uint8Array.from([1, 2, 3]) };
    expect(parseHeader(encodeHeader(header), 1, SHAPE)).toEqual(header);
  });

  it('changes the attributes of the entries that are named and nothing else', () => {
    fc.assert(
      fc.property(shapes, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (shape, attributes) => {
        const before = sampleCopy(slotPartitions(), shape);
        const after = withAttributes(before, new Map([[3, attributes]]));
        const entries = parseEntries(before.header, before.entries);
        expect(parseEntries(after.header, after.entries)).toEqual(
          entries.map((entry) => (entry.index === 3 ? { ...entry, attributes } : entry)),
        );
        expect(joinCopy(after.header, after.entries)).toEqual(after);
        expect({ ...after.header, entriesCrc: before.header.entriesCrc }).toEqual(before.header);
      }),
      { numRuns: 40 },
    );
  });

  it('holds no more when any byte of its header or entries changed', () => {
    const [entryRun, headerRun] = runsOf(COPY);
    fc.assert(
      fc.property(
        fc.nat(91),
        fc.nat(COPY.entries.length - 1),
        fc.integer({ min: 1, max: 255 }),
        (inHeader, inEntries, change) => {
          const header = Uint8Array.from(headerRun?.bytes ?? []);
          header[inHeader] = (header[inHeader] ?? 0) ^ change;
          expect(codeOf(() => parseHeader(header, 1, SHAPE))).toBe('gpt/damaged');
          const entries = Uint8Array.from(entryRun?.bytes ?? []);
          entries[inEntries] = (entries[inEntries] ?? 0) ^ change;
          expect(codeOf(() => joinCopy(COPY.header, entries))).toBe('gpt/damaged');
        },
      ),
    );
  });

  it('is the same table in both places until one of them differs', () => {
    const backup = otherCopy(COPY);
    expect(isSameTable(COPY, backup)).toBe(true);
    expect(isSameTable(COPY, withAttributes(backup, new Map([[0, 1n]])))).toBe(false);
    const { header, entries } = backup;
    const elsewhere = { ...header, diskGuid: sampleGuid(99) };
    expect(isSameTable(COPY, { header: elsewhere, entries })).toBe(false);
  });

  it.each<{ case: string; header: Partial<GptHeader> }>([
    { case: 'says that it stands elsewhere', header: { myLba: 2 } },
    { case: 'has its backup behind the end of the disk', header: { alternateLba: 1_000_000 } },
    { case: 'is its own backup', header: { alternateLba: 1 } },
    { case: 'has entries of 64 bytes', header: { entrySize: 64 } },
    { case: 'has entries of 192 bytes', header: { entrySize: 192 } },
    { case: 'has no entries', header: { entryCount: 0 } },
    { case: 'has four thousand million entries', header: { entryCount: 0xffffffff } },
    { case: 'has an entry of two gigabytes', header: { entryCount: 1, entrySize: 2 ** 31 } },
    { case: 'has its entries in its own sector', header: { entriesLba: 1 } },
    { case: 'has its entries among the partitions', header: { entriesLba: 40 } },
    { case: 'has partitions behind its backup', header: { lastUsableLba: 1_000_000 } },
    { case: 'has no room for partitions', header: { firstUsableLba: 500, lastUsableLba: 400 } },
  ])('is refused, though its checksum holds, when it $case', ({ header }) => {
    const sector = encodeHeader({ ...COPY.header, ...header });
    expect(codeOf(() => parseHeader(sector, 1, SHAPE))).toBe('gpt/damaged');
  });

  it.each([
    { case: 'a sector number that no disk has', at: 72, bytes: Buffer.alloc(8, 0xff) },
    { case: 'a header size of 0', at: 12, bytes: Buffer.alloc(4) },
    { case: 'a header larger than its sector', at: 12, bytes: Buffer.from([1, 2, 0, 0]) },
    { case: 'another revision', at: 8, bytes: Buffer.from([0, 0, 2, 0]) },
  ])('is refused with $case', ({ at, bytes }) => {
    const sector = encodeHeader(COPY.header);
    sector.set(bytes, at);
    const covered = sector.slice(0, 92);
    covered.fill(0, 16, 20);
    new DataView(sector.buffer).setUint32(16, crc32(covered), true);
    expect(codeOf(() => parseHeader(sector, 1, SHAPE))).toBe('gpt/damaged');
  });

  it.each([
    { case: 'overlap', change: { at: 128 + 32, from: 32 } },
    { case: 'have the same GUID', change: { at: 128 + 16, from: 16 } },
    { case: 'end before they begin', change: { at: 128 + 40, from: 32 } },
  ])('is refused when partitions $case', ({ change }) => {
    const entries = COPY.entries.slice();
    entries.set(entries.slice(change.from, change.from + (change.from === 16 ? 16 : 8)), change.at);
    const header = { ...COPY.header, entriesCrc: crc32(entries) };
    expect(codeOf(() => joinCopy(header, entries))).toBe('gpt/damaged');
  });

  it('is refused where a partition lies over the table itself', () => {
    const entries = COPY.entries.slice();
    new DataView(entries.buffer).setBigUint64(32, 1n, true);
    const header = { ...COPY.header, entriesCrc: crc32(entries) };
    expect(codeOf(() => joinCopy(header, entries))).toBe('gpt/damaged');
  });
});
