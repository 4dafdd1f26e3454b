import { crc32 } from 'node:zlib';
import { parseEntries, readAttributes, writeAttributes } from './entries.ts';
import { GptError } from './errors.ts';
import {
  encodeHeader,
  entryBytes,
  entrySectors,
  hasRoomForEntries,
  PRIMARY_LBA,
} from './header.ts';
import type { GptHeader } from './header.ts';

/** One of the two copies of a table: its header, and its entries byte for byte. */
export type GptCopy = { readonly header: GptHeader; readonly entries: Uint8Array };

/** Bytes that start at a sector; the last sector need not be full. */
export type SectorRun = { readonly lba: number; readonly bytes: Uint8Array };

/** A copy whose header, entries and partitions hold. Throws `gpt/damaged`. */
export function joinCopy(header: GptHeader, entries: Uint8Array): GptCopy {
  if (entries.length !== entryBytes(header)) {
    throw damaged(header, `its entries take ${entryBytes(header)} bytes, got ${entries.length}`);
  }
  if (crc32(entries) !== header.entriesCrc) {
    throw damaged(header, 'the CRC32 of its entries does not hold');
  }
  parseEntries(header, entries);
  return { header, entries };
}

/** The copy on the other side of the disk that belongs to a whole one. Throws `gpt/damaged` if it has no room there. */
export function otherCopy({ header, entries }: GptCopy): GptCopy {
  const myLba = header.alternateLba;
  const isPrimary = myLba === PRIMARY_LBA;
  // Every boot loader and tool puts the entries right behind the primary header and right before the backup.
  const entriesLba = isPrimary ? PRIMARY_LBA + 1 : myLba - entrySectors(header);
  const other = { ...header, myLba, alternateLba: header.myLba, entriesLba };
  if (!hasRoomForEntries(other)) {
    throw damaged(header, `there is no room for its other copy at ${myLba}`);
  }
  return { header: other, entries };
}

/** Whether both copies describe the same table, each from its own place. */
export function isSameTable(primary: GptCopy, backup: GptCopy): boolean {
  const { myLba, alternateLba, entriesLba } = backup.header;
  const moved = { ...primary.header, myLba, alternateLba, entriesLba };
  return (
    primary.header.alternateLba === myLba &&
    Buffer.compare(encodeHeader(moved), encodeHeader(backup.header)) === 0 &&
    Buffer.compare(primary.entries, backup.entries) === 0
  );
}

/** The copy with other attributes of some entries, by their index. */
export function withAttributes(copy: GptCopy, changes: ReadonlyMap<number, bigint>): GptCopy {
  const entries = copy.entries.slice();
  for (const [index, attributes] of changes) {
    if (index < 0 || index >= copy.header.entryCount) throw new RangeError(`no entry ${index}`);
    writeAttributes(entries, index * copy.header.entrySize, attributes);
  }
  return { header: { ...copy.header, entriesCrc: crc32(entries) }, entries };
}

export function attributesOf({ header, entries }: GptCopy, index: number): bigint {
  return readAttributes(entries, index * header.entrySize);
}

/** What stands on the disk for this copy, in the order in which it is to be written. */
export function runsOf({ header, entries }: GptCopy): readonly SectorRun[] {
  return [
    { lba: header.entriesLba, bytes: entries },
    { lba: header.myLba, bytes: encodeHeader(header) },
  ];
}

function damaged({ myLba }: GptHeader, why: string): GptError {
  return new GptError('gpt/damaged', `the partition table at sector ${myLba}: ${why}`);
}
