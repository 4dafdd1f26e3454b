import { GptError } from '../../core/gpt/errors.ts';
import { findSets, runningSide } from '../../core/gpt/sets.ts';
import type { PartitionSets } from '../../core/gpt/sets.ts';
import {
  hasEverSucceeded,
  nextToBoot,
  readBits,
  withEverSucceeded,
  writeBits,
} from '../../core/gpt/slot-bits.ts';
import type { Side, SlotPair } from '../../core/gpt/slot-bits.ts';
import { readIfThere } from '../durable.ts';
import { AgentError } from '../errors.ts';
import { openDisk } from './disk-file.ts';
import { changeGpt, readGpt } from './gpt-disk.ts';
import type { Gpt } from './gpt-disk.ts';

/** Which disk holds the slots, and how to tell which of them runs. */
export type GptPlace = {
  /** A block device or a disk image. */
  readonly disk: string;
  readonly active: 'auto' | Side;
  /** Read where `active` is auto. */
  readonly kernelCommandLine: string;
};

/** Both slots of a disk at one moment. */
export type GptView = {
  readonly gpt: Gpt;
  readonly sets: PartitionSets;
  readonly pair: SlotPair;
  /** Null on a host that does not run from this disk and whose disk boots nothing. */
  readonly running: Side | null;
  readonly hasEverSucceeded: boolean;
};

/** Throws `agent/slots` where nobody can tell which slot runs, because then either may be the one. */
export async function viewSlots(place: GptPlace): Promise<GptView> {
  await using disk = await openDisk(place.disk, 'read');
  const gpt = await readGpt(disk);
  const sets = setsOf(gpt);
  const pair = pairOf(sets);
  return {
    ...{ gpt, sets, pair, running: await runningOf(place, sets, pair) },
    hasEverSucceeded: sets.private !== null && hasEverSucceeded(sets.private.attributes),
  };
}

/** What to make of the bits of both slots, and whether a boot of this disk was just found good. */
export type BitsChange = {
  readonly step: (pair: SlotPair) => SlotPair;
  readonly hasSucceeded?: boolean;
};

/** Changes the bits in one step; a step that is refused becomes `agent/slots`, and nothing is written. */
export async function changeBits(
  { disk }: GptPlace,
  { step, hasSucceeded = false }: BitsChange,
): Promise<void> {
  await changeGpt(
    (mode) => openDisk(disk, mode),
    (gpt) => {
      const sets = setsOf(gpt);
      const next = refusing(() => step(pairOf(sets)));
      const changes = new Map(
        (['a', 'b'] as const).map((side) => {
          const { index, attributes } = sets[side].boot;
          return [index, writeBits(attributes, next[side])];
        }),
      );
      if (hasSucceeded && sets.private !== null) {
        changes.set(sets.private.index, withEverSucceeded(sets.private.attributes));
      }
      return changes;
    },
  );
}

async function runningOf(
  { disk, active, kernelCommandLine }: GptPlace,
  sets: PartitionSets,
  pair: SlotPair,
): Promise<Side | null> {
  if (active !== 'auto') return active;
  const line = await readIfThere(kernelCommandLine);
  if (line === null) throw new AgentError('agent/slots', `there is no ${kernelCommandLine}`);
  const running = refusing(() => runningSide(sets, line.toString('utf8')));
  const next = nextToBoot(pair);
  if (running !== null || next === null) return running;
  throw new AgentError(
    'agent/slots',
    `${kernelCommandLine} names no partition of a slot, but ${disk} boots slot ${next}: nobody can tell what runs`,
    { hints: [`reboot into ${disk}, or set slots.active in agent.toml to the slot that runs`] },
  );
}

function setsOf({ entries }: Gpt): PartitionSets {
  return refusing(() => findSets(entries));
}

function pairOf({ a, b }: PartitionSets): SlotPair {
  return { a: readBits(a.boot.attributes), b: readBits(b.boot.attributes) };
}

/** Runs pure work on a table; what it refuses becomes `agent/slots`. */
export function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof GptError)) throw cause;
    throw new AgentError('agent/slots', cause.message, { cause, hints: cause.hints });
  }
}
