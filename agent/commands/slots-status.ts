import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { PART_NAMES } from '../../core/gpt/sets.ts';
import { nextToBoot, willBoot } from '../../core/gpt/slot-bits.ts';
import type { Side } from '../../core/gpt/slot-bits.ts';
import type { GptStatus } from '../slots/gpt.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openGptContext } from './gpt-context.ts';

export function agentSlotsStatusCommand(io: Io): Command {
  return new Command('status')
    .description('both slots of the disk, which of them runs, and which boots next')
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent slots status --json')
    .action(async (options: AgentOptions) => {
      const { slots } = await openGptContext(io, options);
      const report = reportOf(await slots.status());
      io.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : textOf(report));
    });
}

type Report = ReturnType<typeof reportOf>;

function reportOf(status: GptStatus) {
  const { gpt, pair, running, hasEverSucceeded } = status;
  return {
    sectorSize: gpt.sectorSize,
    damaged: gpt.damaged,
    running,
    next: nextToBoot(pair),
    hasEverSucceeded,
    slots: { a: slotOf(status, 'a'), b: slotOf(status, 'b') },
  };
}

function slotOf({ gpt, sets, pair, releases }: GptStatus, side: Side) {
  const partitions = PART_NAMES.map((name) => {
    const { index, uniqueGuid, firstLba, lastLba } = sets[side][name];
    const byteCount = (lastLba - firstLba + 1) * gpt.sectorSize;
    return [name, { number: index + 1, partuuid: uniqueGuid, byteCount }] as const;
  });
  return {
    release: releases[side],
    ...pair[side],
    willBoot: willBoot(pair[side]),
    partitions: Object.fromEntries(partitions),
  };
}

function textOf({ slots, running, next, damaged }: Report): string {
  const lineOf = (side: Side) => {
    const { release, priority, triesLeft, successful } = slots[side];
    const marks = [
      ...(running === side ? ['runs'] : []),
      ...(next === side ? ['boots next'] : []),
      ...(successful ? ['good'] : []),
    ];
    const numbers = `priority ${priority}, ${triesLeft} tries left`;
    return `slot ${side}: ${release ?? 'not sealed'}; ${[numbers, ...marks].join(', ')}`;
  };
  const table =
    damaged === null
      ? 'both copies of the partition table are good'
      : `the ${damaged.copy} copy of the partition table is repaired at the next change: ${damaged.why}`;
  return [lineOf('a'), lineOf('b'), table].map((line) => `${line}\n`).join('');
}
