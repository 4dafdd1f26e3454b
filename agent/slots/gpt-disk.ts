import {
  attributesOf,
  isSameTable,
  joinCopy,
  otherCopy,
  runsOf,
  withAttributes,
} from '../../core/gpt/copy.ts';
import type { GptCopy, SectorRun } from '../../core/gpt/copy.ts';
import { parseEntries } from '../../core/gpt/entries.ts';
import type { GptEntry } from '../../core/gpt/entries.ts';
import { GptError } from '../../core/gpt/errors.ts';
import { entryBytes, parseHeader, PRIMARY_LBA, SECTOR_SIZES } from '../../core/gpt/header.ts';
import type { DiskShape, SectorSize } from '../../core/gpt/header.ts';
import { AgentError } from '../errors.ts';
import type { Disk, OpenDisk } from './disk.ts';

/** The table of a disk, and what was found of its two copies. */
export type Gpt = {
  readonly sectorSize: SectorSize;
  readonly entries: readonly GptEntry[];
  /** The copy that does not hold, or is older or newer than the one that a boot loader takes; null if both are good. */
  readonly damaged: { readonly copy: 'primary' | 'backup'; readonly why: string } | null;
};

type Copies = { readonly primary: GptCopy; readonly backup: GptCopy };
type Judged = Copies & Pick<Gpt, 'damaged'>;

/** New attributes of entries, by their index. */
export type AttributeChanges = ReadonlyMap<number, bigint>;

/** Reads and judges both copies, as a boot loader does: the primary counts if it holds. Throws `agent/slots` if none does. */
export async function readGpt(disk: Disk): Promise<Gpt> {
  return describe(await judge(disk));
}

/**
 * Changes attributes of partitions in one step that no power loss can tear: a damaged copy is repaired first, then the
 * backup is written and synced, then the primary. What was written is read again past the page cache and compared. Nothing
 * is written if nothing changes.
 */
export async function changeGpt(
  open: OpenDisk,
  edit: (gpt: Gpt) => AttributeChanges,
): Promise<Gpt> {
  const wanted = await writeChanges(open, edit);
  await using disk = await open('read-back');
  const found = await judge(disk);
  const isWritten =
    found.damaged === null &&
    isSameCopy(found.primary, wanted.primary) &&
    isSameCopy(found.backup, wanted.backup);
  if (!isWritten) {
    throw new AgentError('agent/disk', `${disk.path} does not hold the table that was written`);
  }
  return describe(found);
}

async function writeChanges(open: OpenDisk, edit: (gpt: Gpt) => AttributeChanges): Promise<Copies> {
  await using disk = await open('write');
  const { primary, backup, damaged } = await judge(disk);
  const changes = edit(describe({ primary, backup, damaged }));
  if (damaged !== null) await writeCopy(disk, damaged.copy === 'primary' ? primary : backup);
  // A killed process may have left the very same bytes in the system's memory only.
  await disk.sync();
  const isChange = [...changes].some(([index, value]) => attributesOf(primary, index) !== value);
  if (!isChange) return { primary, backup };
  const next = {
    primary: withAttributes(primary, changes),
    backup: withAttributes(backup, changes),
  };
  // While one copy is torn the other is whole: at first the primary with the old bits, then the backup with the new.
  await writeCopy(disk, next.backup);
  await writeCopy(disk, next.primary);
  return next;
}

async function judge(disk: Disk): Promise<Judged> {
  const sizes = disk.sectorSize === null ? SECTOR_SIZES : [disk.sectorSize];
  const found: Judged[] = [];
  const problems: string[] = [];
  for (const sectorSize of sizes) {
    const shape = { sectorSize, sectorCount: Math.floor(disk.byteCount / sectorSize) };
    const judged = await judgeAs(disk, shape);
    if (typeof judged === 'string') problems.push(judged);
    else found.push(judged);
  }
  const [only, second] = found;
  if (only === undefined) {
    const [problem = ''] = problems;
    throw new AgentError(
      'agent/slots',
      `${disk.path} has no partition table that holds: ${problem}`,
    );
  }
  if (second !== undefined) {
    throw new AgentError(
      'agent/slots',
      `${disk.path} has a partition table for sectors of 512 bytes and one for 4096`,
    );
  }
  return only;
}

/** The reason instead if neither copy holds with sectors of this size. */
async function judgeAs(disk: Disk, shape: DiskShape): Promise<Judged | string> {
  const primary = await readCopy(disk, PRIMARY_LBA, shape);
  const backupLba =
    typeof primary === 'string' ? shape.sectorCount - 1 : primary.header.alternateLba;
  const backup = await readCopy(disk, backupLba, shape);
  try {
    if (typeof primary === 'string') {
      if (typeof backup === 'string') return `${primary}; ${backup}`;
      return { primary: otherCopy(backup), backup, damaged: { copy: 'primary', why: primary } };
    }
    if (typeof backup === 'string') {
      return { primary, backup: otherCopy(primary), damaged: { copy: 'backup', why: backup } };
    }
    if (isSameTable(primary, backup)) return { primary, backup, damaged: null };
    const why = 'the backup differs from the primary copy';
    return { primary, backup: otherCopy(primary), damaged: { copy: 'backup', why } };
  } catch (error) {
    return reasonOf(error);
  }
}

/** The reason instead of a copy that does not hold. */
async function readCopy(disk: Disk, lba: number, shape: DiskShape): Promise<GptCopy | string> {
  const { sectorSize, sectorCount } = shape;
  if (lba < PRIMARY_LBA || lba >= sectorCount) return `the disk has no sector ${lba}`;
  const sector = await disk.read(lba * sectorSize, sectorSize);
  try {
    const header = parseHeader(sector, lba, shape);
    return joinCopy(header, await disk.read(header.entriesLba * sectorSize, entryBytes(header)));
  } catch (error) {
    return reasonOf(error);
  }
}

/** Writes the sectors of a copy that differ from what the disk holds, and makes them durable. */
async function writeCopy(disk: Disk, copy: GptCopy): Promise<void> {
  for (const run of runsOf(copy)) await writeRun(disk, run, copy.header.sectorSize);
  await disk.sync();
}

async function writeRun(disk: Disk, { lba, bytes }: SectorRun, sectorSize: number): Promise<void> {
  const byteCount = Math.ceil(bytes.length / sectorSize) * sectorSize;
  const before = await disk.read(lba * sectorSize, byteCount);
  const after = before.slice();
  after.set(bytes);
  for (let at = 0; at < byteCount; at += sectorSize) {
    const sector = after.subarray(at, at + sectorSize);
    if (Buffer.compare(sector, before.subarray(at, at + sectorSize)) === 0) continue;
    await disk.write(lba * sectorSize + at, sector);
  }
}

function describe({ primary, damaged }: Judged): Gpt {
  const { header, entries } = primary;
  return { sectorSize: header.sectorSize, entries: parseEntries(header, entries), damaged };
}

function isSameCopy(found: GptCopy, wanted: GptCopy): boolean {
  const wantedRuns = runsOf(wanted);
  return runsOf(found).every(({ lba, bytes }, index) => {
    const run = wantedRuns[index];
    return run !== undefined && run.lba === lba && Buffer.compare(run.bytes, bytes) === 0;
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof GptError) return error.message;
  throw error;
}
