import { describe, expect, it } from '@jest/globals';
import { AgentError } from '../../../agent/errors.ts';
import type { Disk, OpenDisk } from '../../../agent/slots/disk.ts';
import { changeGpt, readGpt } from '../../../agent/slots/gpt-disk.ts';
import { otherCopy, runsOf, withAttributes } from '../../../core/gpt/copy.ts';
import type { SectorSize } from '../../../core/gpt/header.ts';
import { FRESH, sampleCopy, sampleDisk, slotPartitions } from '../../support/gpt-samples.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';
import { codeOf } from '../error-code.ts';

const BIT = new Map([[3, 1n << 56n]]);
const NONE: ReadonlyMap<number, bigint> = new Map();

function setup(sectorSize: SectorSize = 512) {
  const copy = sampleCopy(slotPartitions(FRESH, 4096), { sectorSize });
  const bytes = sampleDisk(copy);
  const at = (lba: number) => lba * sectorSize;
  const { alternateLba } = copy.header;
  const backup = otherCopy(copy).header;
  return { copy, bytes, at, alternateLba, backup };
}

/** The bytes of the table on the disk after a change of the sample. */
function changedDisk({ copy, bytes }: ReturnType<typeof setup>): Uint8Array {
  const next = bytes.slice();
  const changed = withAttributes(copy, BIT);
  for (const half of [changed, otherCopy(changed)]) {
    for (const run of runsOf(half)) next.set(run.bytes, run.lba * copy.header.sectorSize);
  }
  return next;
}

function isSame(bytes: Uint8Array | undefined, others: Uint8Array): boolean {
  return bytes !== undefined && Buffer.compare(bytes, others) === 0;
}

describe('readGpt', () => {
  it.each([512, 4096] as const)('finds out that an image has sectors of %p bytes', async (size) => {
    const { bytes } = setup(size);
    const gpt = await readGpt(new MemoryDisk(bytes, 512));
    expect(gpt).toMatchObject({ sectorSize: size, damaged: null });
    expect(gpt.entries).toHaveLength(7);
  });

  it.each([512, 4096] as const)('does so by the backup alone, too (%p)', async (size) => {
    const { bytes, at } = setup(size);
    bytes.fill(0, at(1), at(2));
    const gpt = await readGpt(new MemoryDisk(bytes, 512));
    expect(gpt).toMatchObject({ sectorSize: size, damaged: { copy: 'primary' } });
  });

  it('refuses a disk that has a table for either sector size', async () => {
    const small = setup(512);
    const large = setup(4096);
    const bytes = large.bytes.slice();
    const at = small.at(1);
    const { header } = small.copy;
    // A small header whose entries stand elsewhere, behind the large one.
    const moved = {
      ...header,
      entriesLba: 50,
      firstUsableLba: 82,
      alternateLba: header.alternateLba,
    };
    const entries = sampleCopy([]).entries;
    const copy = { ...withAttributes({ header: moved, entries }, NONE) };
    const [entryRun, headerRun] = runsOf(copy);
    bytes.set(headerRun?.bytes ?? [], at);
    bytes.set(entryRun?.bytes ?? [], 50 * 512);
    const error = await readGpt(new MemoryDisk(bytes, 512)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AgentError);
    expect(String(error)).toContain('512 bytes and one for 4096');
  });

  it.each([
    { case: 'an empty disk', bytes: new Uint8Array(64 * 1024) },
    { case: 'a disk of no bytes', bytes: new Uint8Array() },
    { case: 'half a sector', bytes: new Uint8Array(700) },
  ])('refuses $case', async ({ bytes }) => {
    expect(await codeOf(readGpt(new MemoryDisk(bytes, 512)))).toBe('agent/slots');
  });
});

describe('changeGpt', () => {
  it.each([512, 4096] as const)('changes both copies and nothing else (%p)', async (size) => {
    const test = setup(size);
    const disk = new MemoryDisk(test.bytes, 512);
    const gpt = await changeGpt(disk.opener(), () => BIT);
    expect(gpt.entries[3]?.attributes).toBe(1n << 56n);
    expect(isSame(disk.bytes, changedDisk(test))).toBe(true);
    expect(disk.bytes.slice(0, 512)).toEqual(test.bytes.slice(0, 512));
    // A header and a sector of entries in each copy.
    expect(disk.writes).toBe(4);
  });

  it('writes nothing if nothing changes', async () => {
    const { bytes } = setup();
    const disk = new MemoryDisk(bytes, 512);
    await changeGpt(disk.opener(), ({ entries }) => new Map([[3, entries[3]?.attributes ?? 0n]]));
    await changeGpt(disk.opener(), () => NONE);
    expect(disk.writes).toBe(0);
  });

  it('writes nothing if the change is refused', async () => {
    const { bytes, at } = setup();
    bytes.fill(0, at(1), at(2));
    const disk = new MemoryDisk(bytes, 512);
    const refuse = () => {
      throw new AgentError('agent/slots', 'no');
    };
    expect(await codeOf(changeGpt(disk.opener(), refuse))).toBe('agent/slots');
    expect(disk.writes).toBe(0);
  });

  it.each([
    { case: 'the primary header', damage: ({ at }) => [at(1) + 60] },
    { case: 'the primary entries', damage: ({ at }) => [at(2) + 5] },
    { case: 'the backup header', damage: ({ at, alternateLba }) => [at(alternateLba) + 60] },
    { case: 'the backup entries', damage: ({ at, backup }) => [at(backup.entriesLba) + 5] },
  ] satisfies { case: string; damage: (test: ReturnType<typeof setup>) => number[] }[])(
    'repairs $case from the other copy',
    async ({ damage }) => {
      for (const size of [512, 4096] as const) {
        const test = setup(size);
        const damaged = test.bytes.slice();
        damage(test).forEach((place) => damaged.fill(0xee, place, place + 1));
        const repaired = new MemoryDisk(damaged, 512);
        await changeGpt(repaired.opener(), () => NONE);
        expect(isSame(repaired.bytes, test.bytes)).toBe(true);
        const changed = new MemoryDisk(damaged, 512);
        await changeGpt(changed.opener(), () => BIT);
        expect(isSame(changed.bytes, changedDisk(test))).toBe(true);
      }
    },
  );

  it('makes the backup durable as whole as the primary before it changes either', async () => {
    const test = setup();
    const damaged = test.bytes.slice();
    damaged.fill(0, test.at(test.alternateLba), test.at(test.alternateLba + 1));
    const atBarriers: Uint8Array[] = [];
    const disk = new MemoryDisk(damaged, 512, (now) => {
      const [state, ...more] = now.afterPowerLoss();
      if (state !== undefined && more.length === 0) atBarriers.push(state);
    });
    await changeGpt(disk.opener(), () => BIT);
    expect(isSame(atBarriers[0], test.bytes)).toBe(true);
    expect(isSame(atBarriers.at(-1), changedDisk(test))).toBe(true);
  });

  it('takes the primary for true where both hold and differ, as the boot loader does', async () => {
    const test = setup();
    const torn = test.bytes.slice();
    for (const { lba, bytes } of runsOf(otherCopy(withAttributes(test.copy, BIT)))) {
      torn.set(bytes, test.at(lba));
    }
    const disk = new MemoryDisk(torn, 512);
    const gpt = await readGpt(disk);
    expect(gpt.damaged).toMatchObject({ copy: 'backup' });
    expect(gpt.entries[3]?.attributes).toBe(0n);
    await changeGpt(disk.opener(), () => NONE);
    expect(isSame(disk.bytes, test.bytes)).toBe(true);
  });

  it('refuses a disk of which neither copy holds, and writes nothing', async () => {
    const { bytes, at, alternateLba } = setup();
    bytes.fill(0, at(1), at(1) + 8);
    bytes.fill(0, at(alternateLba), at(alternateLba) + 8);
    const disk = new MemoryDisk(bytes, 512);
    expect(await codeOf(changeGpt(disk.opener(), () => BIT))).toBe('agent/slots');
    expect(disk.writes).toBe(0);
  });

  it('reads what it wrote back past the page cache', async () => {
    const { bytes } = setup();
    const open = new MemoryDisk(bytes, 512).opener();
    const modes: string[] = [];
    const watched: OpenDisk = (mode) => {
      modes.push(mode);
      return open(mode);
    };
    await changeGpt(watched, () => BIT);
    expect(modes).toEqual(['write', 'read-back']);
  });

  it('says so when the disk does not give back what was written', async () => {
    const { bytes } = setup();
    const disk = new MemoryDisk(bytes, 512);
    const forgetful: Disk = {
      ...{ path: 'forgetful', byteCount: disk.byteCount, sectorSize: null },
      read: (at, byteCount) => disk.read(at, byteCount),
      write: () => Promise.resolve(),
      sync: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const open: OpenDisk = () => Promise.resolve(forgetful);
    expect(await codeOf(changeGpt(open, () => BIT))).toBe('agent/disk');
  });
});
