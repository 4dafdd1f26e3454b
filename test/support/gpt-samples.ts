import { crc32 } from 'node:zlib';
import { otherCopy, runsOf } from '../../core/gpt/copy.ts';
import type { GptCopy } from '../../core/gpt/copy.ts';
import { writeAttributes } from '../../core/gpt/entries.ts';
import { writeGuid } from '../../core/gpt/guid.ts';
import type { GptHeader, SectorSize } from '../../core/gpt/header.ts';
import { SLOT_TYPES } from '../../core/gpt/sets.ts';
import { CLEARED, writeBits } from '../../core/gpt/slot-bits.ts';
import type { SlotPair } from '../../core/gpt/slot-bits.ts';

export const PRIVATE_TYPE = '440408bb-eb0b-4328-a6e5-a29038fad706';

export type SamplePartition = {
  readonly typeGuid: string;
  readonly uniqueGuid: string;
  readonly byteCount: number;
  readonly name: string;
  readonly attributes?: bigint;
};

export type SampleShape = {
  readonly sectorSize?: SectorSize;
  readonly entryCount?: number;
  readonly entrySize?: number;
  /** Free sectors before each partition. */
  readonly gap?: number;
};

export const FRESH: SlotPair = { a: { priority: 1, triesLeft: 0, successful: true }, b: CLEARED };

export function sampleGuid(number: number): string {
  return `00000000-1111-4222-8333-${number.toString(16).padStart(12, '0')}`;
}

/** Bottlerocket's partitions: boot, root and hash of A, the same of B, and the private one. */
export function slotPartitions(
  pair: SlotPair = FRESH,
  byteCount = 64 * 1024,
): readonly SamplePartition[] {
  const sides = (['a', 'b'] as const).flatMap((side, offset) =>
    (['boot', 'root', 'hash'] as const).map((name, index) => ({
      typeGuid: SLOT_TYPES[name],
      uniqueGuid: sampleGuid(offset * 3 + index + 1),
      byteCount,
      name: `BOTTLEROCKET-${name.toUpperCase()}-${side.toUpperCase()}`,
      attributes: name === 'boot' ? writeBits(0n, pair[side]) : 0n,
    })),
  );
  const last = { typeGuid: PRIVATE_TYPE, uniqueGuid: sampleGuid(7), byteCount };
  return [...sides, { ...last, name: 'BOTTLEROCKET-PRIVATE' }];
}

/** The primary copy of a table with these partitions behind one another, on a disk that they just fill. */
export function sampleCopy(
  partitions: readonly SamplePartition[],
  { sectorSize = 512, entryCount = 128, entrySize = 128, gap = 0 }: SampleShape = {},
): GptCopy {
  const entries = new Uint8Array(entryCount * entrySize);
  const entrySectors = Math.ceil(entries.length / sectorSize);
  const firstUsableLba = 2 + entrySectors;
  let lba = firstUsableLba;
  partitions.forEach((partition, index) => {
    lba += gap;
    const end = lba + Math.ceil(partition.byteCount / sectorSize);
    writeEntry(entries, index * entrySize, partition, [lba, end - 1]);
    lba = end;
  });
  const header: GptHeader = {
    ...{ sectorSize, myLba: 1, alternateLba: lba + entrySectors, firstUsableLba },
    ...{ lastUsableLba: lba - 1, diskGuid: sampleGuid(0xd15c), entriesLba: 2 },
    ...{ entryCount, entrySize, entriesCrc: crc32(entries), reserved: 0, extra: new Uint8Array() },
  };
  return { header, entries };
}

/** A whole disk with both copies of the table. */
export function sampleDisk(copy: GptCopy): Uint8Array {
  const { sectorSize, alternateLba } = copy.header;
  const disk = new Uint8Array((alternateLba + 1) * sectorSize);
  // A protective MBR that nobody may touch: its bytes only have to be seen again.
  disk.fill(0xb0, 0, 510);
  disk.set([0x55, 0xaa], 510);
  for (const half of [copy, otherCopy(copy)]) {
    for (const { lba, bytes } of runsOf(half)) disk.set(bytes, lba * sectorSize);
  }
  return disk;
}

function writeEntry(
  entries: Uint8Array,
  at: number,
  { typeGuid, uniqueGuid, name, attributes = 0n }: SamplePartition,
  [first, last]: readonly [number, number],
): void {
  const view = new DataView(entries.buffer);
  writeGuid(entries, at, typeGuid);
  writeGuid(entries, at + 16, uniqueGuid);
  view.setBigUint64(at + 32, BigInt(first), true);
  view.setBigUint64(at + 40, BigInt(last), true);
  writeAttributes(entries, at, attributes);
  entries.set(Buffer.from(name, 'utf16le').subarray(0, 72), at + 56);
}
