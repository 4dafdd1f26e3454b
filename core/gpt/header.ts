import { crc32 } from 'node:zlib';
import { GptError } from './errors.ts';
import { readGuid, writeGuid } from './guid.ts';

export const SECTOR_SIZES = [512, 4096] as const;
export type SectorSize = (typeof SECTOR_SIZES)[number];

/** What a disk is, to whoever judges the table on it. */
export type DiskShape = { readonly sectorSize: SectorSize; readonly sectorCount: number };

/** The header of one copy of the table; LBAs count sectors. */
export type GptHeader = {
  readonly sectorSize: SectorSize;
  readonly myLba: number;
  readonly alternateLba: number;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  readonly diskGuid: string;
  readonly entriesLba: number;
  readonly entryCount: number;
  readonly entrySize: number;
  readonly entriesCrc: number;
  readonly reserved: number;
  /** Bytes of a longer header than today's, kept as they are. */
  readonly extra: Uint8Array;
};

export const PRIMARY_LBA = 1;

const SIGNATURE = 'EFI PART';
const REVISION = 0x00010000;
const HEADER_BYTES = 92;
const CRC_AT = 16;
const SMALLEST_ENTRY = 128;
/** Real tables take 16 KiB. Whoever writes larger numbers wants our memory. */
const MOST_ENTRY_BYTES = 1024 * 1024;

/** Reads the header that stands at `lba`. Throws `gpt/damaged` for one that must not be relied on. */
export function parseHeader(sector: Uint8Array, lba: number, shape: DiskShape): GptHeader {
  const view = viewOf(sector);
  if (sector.length !== shape.sectorSize) {
    throw damaged(lba, `a sector has ${shape.sectorSize} bytes, got ${sector.length}`);
  }
  if (Buffer.from(sector.subarray(0, 8)).toString('latin1') !== SIGNATURE) {
    throw damaged(lba, 'it has no GPT signature');
  }
  const revision = view.getUint32(8, true);
  if (revision !== REVISION) {
    throw damaged(lba, `its revision must be 1.0, got 0x${revision.toString(16)}`);
  }
  const size = view.getUint32(12, true);
  if (size < HEADER_BYTES || size > shape.sectorSize) {
    throw damaged(lba, `its size must be 92 to ${shape.sectorSize} bytes, got ${size}`);
  }
  const expected = view.getUint32(CRC_AT, true);
  const actual = headerCrc(sector.subarray(0, size));
  if (actual !== expected) {
    throw damaged(lba, `its CRC32 must be ${hex(expected)}, got ${hex(actual)}`);
  }
  const header: GptHeader = {
    sectorSize: shape.sectorSize,
    reserved: view.getUint32(20, true),
    myLba: readLba(view, 24, lba),
    alternateLba: readLba(view, 32, lba),
    firstUsableLba: readLba(view, 40, lba),
    lastUsableLba: readLba(view, 48, lba),
    diskGuid: readGuid(sector, 56),
    entriesLba: readLba(view, 72, lba),
    entryCount: view.getUint32(80, true),
    entrySize: view.getUint32(84, true),
    entriesCrc: view.getUint32(88, true),
    extra: sector.slice(HEADER_BYTES, size),
  };
  checkPlaces(header, lba, shape);
  return header;
}

/** The header's whole sector, with its checksum. */
export function encodeHeader(header: GptHeader): Uint8Array {
  const sector = new Uint8Array(header.sectorSize);
  const view = viewOf(sector);
  const size = HEADER_BYTES + header.extra.length;
  sector.set(Buffer.from(SIGNATURE, 'latin1'));
  view.setUint32(8, REVISION, true);
  view.setUint32(12, size, true);
  view.setUint32(20, header.reserved, true);
  view.setBigUint64(24, BigInt(header.myLba), true);
  view.setBigUint64(32, BigInt(header.alternateLba), true);
  view.setBigUint64(40, BigInt(header.firstUsableLba), true);
  view.setBigUint64(48, BigInt(header.lastUsableLba), true);
  writeGuid(sector, 56, header.diskGuid);
  view.setBigUint64(72, BigInt(header.entriesLba), true);
  view.setUint32(80, header.entryCount, true);
  view.setUint32(84, header.entrySize, true);
  view.setUint32(88, header.entriesCrc, true);
  sector.set(header.extra, HEADER_BYTES);
  view.setUint32(CRC_AT, headerCrc(sector.subarray(0, size)), true);
  return sector;
}

export function entryBytes({ entryCount, entrySize }: GptHeader): number {
  return entryCount * entrySize;
}

/** Whole sectors that the entries take. */
export function entrySectors(header: GptHeader): number {
  return Math.ceil(entryBytes(header) / header.sectorSize);
}

function checkPlaces(header: GptHeader, lba: number, { sectorCount }: DiskShape): void {
  const { myLba, alternateLba, firstUsableLba, lastUsableLba, entriesLba, entrySize } = header;
  if (myLba !== lba) throw damaged(lba, `it says that it stands at ${myLba}`);
  const isPrimary = lba === PRIMARY_LBA;
  if (isPrimary ? alternateLba <= PRIMARY_LBA : alternateLba !== PRIMARY_LBA) {
    throw damaged(lba, `its other copy cannot stand at ${alternateLba}`);
  }
  const backupLba = isPrimary ? alternateLba : lba;
  if (backupLba >= sectorCount) {
    throw damaged(lba, `its backup is at ${backupLba}, the disk has ${sectorCount} sectors`);
  }
  if (entrySize < SMALLEST_ENTRY || (entrySize & (entrySize - 1)) !== 0) {
    throw damaged(lba, `its entries must have 128 bytes times a power of two, got ${entrySize}`);
  }
  if (header.entryCount === 0 || entryBytes(header) > MOST_ENTRY_BYTES) {
    throw damaged(
      lba,
      `its ${header.entryCount} entries of ${entrySize} bytes are none or too many`,
    );
  }
  if (firstUsableLba > lastUsableLba || lastUsableLba >= backupLba) {
    throw damaged(lba, `partitions cannot lie in ${firstUsableLba} to ${lastUsableLba}`);
  }
  if (!hasRoomForEntries(header)) {
    throw damaged(lba, `its entries at ${entriesLba} overlap something else`);
  }
}

/** Whether the entries lie between their header and the partitions, on the header's side of them. */
export function hasRoomForEntries(header: GptHeader): boolean {
  const { myLba, firstUsableLba, lastUsableLba, entriesLba } = header;
  const end = entriesLba + entrySectors(header);
  return myLba === PRIMARY_LBA
    ? entriesLba > PRIMARY_LBA && end <= firstUsableLba
    : entriesLba > lastUsableLba && end <= myLba;
}

function headerCrc(bytes: Uint8Array): number {
  const copy = bytes.slice();
  copy.fill(0, CRC_AT, CRC_AT + 4);
  return crc32(copy);
}

function readLba(view: DataView, at: number, lba: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw damaged(lba, `no disk has a sector ${value}`);
  }
  return Number(value);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

function damaged(lba: number, why: string): GptError {
  return new GptError('gpt/damaged', `the partition table at sector ${lba}: ${why}`);
}
