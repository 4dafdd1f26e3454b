import { describe, expect, it } from '@jest/globals';
import type { Disk, OpenDisk } from '../../../agent/slots/disk.ts';
import { changeGpt, readGpt } from '../../../agent/slots/gpt-disk.ts';
import type { AttributeChanges, Gpt } from '../../../agent/slots/gpt-disk.ts';
import { AgentError } from '../../../agent/errors.ts';
import { SECTOR_SIZES } from '../../../core/gpt/header.ts';
import type { SectorSize } from '../../../core/gpt/header.ts';
import { findSets } from '../../../core/gpt/sets.ts';
import {
  cancelUpgrade,
  clearInactive,
  markInactiveValid,
  markSuccessfulBoot,
  rollbackToInactive,
  upgradeToInactive,
} from '../../../core/gpt/signpost.ts';
import type { SlotStep } from '../../../core/gpt/signpost.ts';
import { CLEARED, nextToBoot, readBits, writeBits } from '../../../core/gpt/slot-bits.ts';
import type { SlotBits, SlotPair } from '../../../core/gpt/slot-bits.ts';
import { sampleCopy, sampleDisk, slotPartitions } from '../../support/gpt-samples.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';

const GOOD: SlotBits = { priority: 1, triesLeft: 0, successful: true };
const MARKED: SlotBits = { priority: 0, triesLeft: 3, successful: false };
const NEW: SlotBits = { priority: 2, triesLeft: 3, successful: false };

/** Every step of an update, of its end and of the ways back, from the bits before it. The host runs A. */
const STEPS: readonly {
  readonly name: string;
  readonly step: SlotStep;
  readonly pair: SlotPair;
}[] = [
  { name: 'clear', step: clearInactive, pair: { a: { ...GOOD, priority: 2 }, b: GOOD } },
  { name: 'mark valid', step: markInactiveValid, pair: { a: GOOD, b: CLEARED } },
  { name: 'upgrade', step: upgradeToInactive, pair: { a: { ...GOOD, priority: 2 }, b: MARKED } },
  { name: 'cancel', step: cancelUpgrade, pair: { a: GOOD, b: NEW } },
  { name: 'roll back', step: rollbackToInactive, pair: { a: { ...GOOD, priority: 2 }, b: GOOD } },
  { name: 'mark good', step: markSuccessfulBoot, pair: { a: { ...NEW, triesLeft: 2 }, b: GOOD } },
];

type Count = { states: number; old: number; new: number; neither: number };
const DEVICES = SECTOR_SIZES.flatMap((sector) => SECTOR_SIZES.map((unit) => ({ sector, unit })));
/** An entry a sector, so that a step tears as widely as it can; or all as usual. */
const ENTRY_SIZES = [128, 512];

function pairOf({ entries }: Gpt): SlotPair {
  const { a, b } = findSets(entries);
  return { a: readBits(a.boot.attributes), b: readBits(b.boot.attributes) };
}

function editOf(step: SlotStep): (gpt: Gpt) => AttributeChanges {
  return (gpt) => {
    const { a, b } = findSets(gpt.entries);
    const next = step(pairOf(gpt), 'a');
    return new Map([
      [a.boot.index, writeBits(a.boot.attributes, next.a)],
      [b.boot.index, writeBits(b.boot.attributes, next.b)],
    ]);
  };
}

function diskOf(pair: SlotPair, sectorSize: SectorSize, entrySize = 128): Uint8Array {
  const partitions = slotPartitions(pair, 4096);
  return sampleDisk(sampleCopy(partitions, { sectorSize, entrySize, entryCount: 32 }));
}

/** The bits that a boot loader finds; null where neither copy holds. */
async function found(bytes: Uint8Array): Promise<SlotPair | null> {
  try {
    return pairOf(await readGpt(new MemoryDisk(bytes, 512)));
  } catch (error) {
    if (error instanceof AgentError) return null;
    throw error;
  }
}

/** Every disk that a power loss can leave at any moment of the work. */
async function lossesOf(
  bytes: Uint8Array,
  unit: number,
  work: (open: OpenDisk) => Promise<unknown>,
): Promise<readonly Uint8Array[]> {
  const states: Uint8Array[] = [];
  const collect = (disk: MemoryDisk) => states.push(...disk.afterPowerLoss());
  await work(new MemoryDisk(bytes, unit, collect).opener());
  return states;
}

async function countOf(
  states: readonly Uint8Array[],
  before: SlotPair,
  after: SlotPair,
): Promise<Count> {
  const count = { states: 0, old: 0, new: 0, neither: 0 };
  const text = (pair: SlotPair) => JSON.stringify([pair.a, pair.b].map((b) => Object.values(b)));
  for (const state of states) {
    const pair = await found(state);
    count.states += 1;
    if (pair === null || nextToBoot(pair) === null) count.neither += 1;
    else if (text(pair) === text(before)) count.old += 1;
    else if (text(pair) === text(after)) count.new += 1;
    else count.neither += 1;
  }
  return count;
}

/** The same disk with a barrier that is left out: what a writer in the wrong order amounts to. */
function withoutSync(open: OpenDisk, isLeftOut: (number: number) => boolean): OpenDisk {
  let syncs = 0;
  return async (mode) => {
    const disk = await open(mode);
    const { path, byteCount, sectorSize } = disk;
    const weak: Disk = {
      ...{ path, byteCount, sectorSize },
      read: (at, length) => disk.read(at, length),
      write: (at, bytes) => disk.write(at, bytes),
      sync: () => {
        syncs += 1;
        return isLeftOut(syncs) ? Promise.resolve() : disk.sync();
      },
      [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
    };
    return weak;
  };
}

describe('a power loss while the bits change', () => {
  describe.each(DEVICES)('on $sector-byte sectors kept in units of $unit', ({ sector, unit }) => {
    it.each(STEPS)('leaves the old or the new bits: $name', async ({ step, pair }) => {
      for (const entrySize of ENTRY_SIZES) {
        const bytes = diskOf(pair, sector, entrySize);
        const states = await lossesOf(bytes, unit, (open) => changeGpt(open, editOf(step)));
        const count = await countOf(states, pair, step(pair, 'a'));
        expect(count.neither).toBe(0);
        expect(Math.min(count.old, count.new)).toBeGreaterThan(1);
        expect(count.old + count.new).toBe(count.states);
      }
    });
  });

  it.each(STEPS)('and another one while the step is done again: $name', async ({ step, pair }) => {
    const after = step(pair, 'a');
    const bytes = diskOf(pair, 512, 512);
    const once = await lossesOf(bytes, 512, (open) => changeGpt(open, editOf(step)));
    const distinct = new Map(once.map((state) => [Buffer.from(state).toString('base64'), state]));
    let states = 0;
    for (const state of distinct.values()) {
      // Whoever comes back sees the old bits and does the step again, or the new ones and leaves them.
      const isDone = JSON.stringify(await found(state)) === JSON.stringify(after);
      const again = isDone ? () => new Map() : editOf(step);
      const twice = await lossesOf(state, 512, async (open) => {
        expect(pairOf(await changeGpt(open, again))).toEqual(after);
      });
      const count = await countOf(twice, pair, after);
      expect(count.neither).toBe(0);
      states += count.states;
    }
    expect(states).toBeGreaterThan(50);
  });

  it.each([
    {
      case: 'the barrier between backup and primary is missing',
      leftOut: (sync: number) => sync === 2,
    },
    { case: 'there is one barrier at the end', leftOut: (sync: number) => sync < 3 },
  ])('bricks in this model, as on a real disk, if $case', async ({ leftOut }) => {
    const pair = { a: { ...GOOD, priority: 2 }, b: MARKED };
    const bytes = diskOf(pair, 512, 512);
    const states = await lossesOf(bytes, 512, (open) =>
      changeGpt(withoutSync(open, leftOut), editOf(upgradeToInactive)),
    );
    const count = await countOf(states, pair, upgradeToInactive(pair, 'a'));
    expect(count.neither).toBeGreaterThan(30);
  });

  it('tears a flip into 16 states, 8 of each copy, and none of them without a slot', async () => {
    const pair = { a: { ...GOOD, priority: 2 }, b: MARKED };
    const states: Uint8Array[] = [];
    let steps = 0;
    // Right before each barrier, when most is unsynced: 8 states of the backup, 8 of the primary.
    const disk = new MemoryDisk(diskOf(pair, 512, 512), 512, (now) => {
      steps += 1;
      if (steps === 4 || steps === 8) states.push(...now.afterPowerLoss());
    });
    await changeGpt(disk.opener(), editOf(upgradeToInactive));
    const count = await countOf(states, pair, upgradeToInactive(pair, 'a'));
    expect(count).toEqual({ states: 16, old: 9, new: 7, neither: 0 });
  });
});
