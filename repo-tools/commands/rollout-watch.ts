import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import type { Io } from '../../adapters/terminal/io.ts';
import type { RolloutView } from '../../core/rollout-view.ts';
import { followEvents } from '../control/events.ts';
import { serverTarget } from '../server-target.ts';
import { durationOption } from '../usage.ts';
import { addTargetOptions, openControl } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';
import { createWatchScreen } from './watch-screen.ts';

type Options = TargetOptions & { readonly every: string; readonly once?: boolean };

/** However much happens: nobody reads faster, and the server has other work. */
const SHORTEST_MS = 250;

export function rolloutWatchCommand(io: Io): Command {
  const command = new Command('watch')
    .description('the tide of a rollout, its hosts and its gates, until it is done')
    .argument('<id>', 'id of the rollout')
    .option(
      '--every <duration>',
      'look again after this time, or as soon as a server tells',
      '2 seconds',
    )
    .option('--once', 'look once')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate rollout watch 2jq9fqxk1c --server http://127.0.0.1:8080',
    )
    .action((id: string, options: Options) => watch(io, id, options));
  return addTargetOptions(command);
}

async function watch(io: Io, id: string, options: Options): Promise<void> {
  const everyMs = durationOption('--every', options.every);
  await using control = await openControl(io, options, 'look');
  const screen = createWatchScreen(io, options.json === true);
  const bell = new Bell();
  const end = new AbortController();
  const signal = AbortSignal.any([io.signal, end.signal]);
  const isOnServer = options.storage === undefined && options.once !== true;
  const followed = isOnServer
    ? followEvents(
        await serverTarget(io, options),
        (name, data) => {
          if (isAbout(id, name, data)) bell.ring();
        },
        signal,
      )
    : Promise.resolve();
  try {
    for (;;) {
      const view = await control.show(id);
      screen.show(view);
      if (options.once === true || isDone(view)) return;
      await bell.wait(everyMs, io.signal);
      if (io.signal.aborted) return;
    }
  } finally {
    end.abort();
    await followed;
  }
}

/** Nothing more will happen by itself: everybody had the offer and told how it ended, or is back, or nobody gets it any more. */
function isDone({ state, phase, sentBackTo, counts }: RolloutView): boolean {
  if (state === 'withdrawn' || state === 'superseded') return true;
  if (phase !== 'complete') return false;
  if (counts === null) return true;
  return sentBackTo === null ? counts.waiting + counts.offered === 0 : counts.updated === 0;
}

const aboutSchema = z.object({ rolloutId: z.string() });

/** After a reset anything may have happened. */
function isAbout(id: string, name: string, data: string): boolean {
  if (name === 'reset') return true;
  if (name !== 'rollout' && name !== 'report') return false;
  return aboutSchema.safeParse(JSON.parse(data)).data?.rolloutId === id;
}

/** Ends a wait early; rung before the wait it counts too. */
class Bell {
  #isRung = false;
  #wake: () => void = () => {};

  ring(): void {
    this.#isRung = true;
    this.#wake();
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await sleep(Math.min(ms, SHORTEST_MS), undefined, { signal }).catch(() => {});
    if (!this.#isRung) {
      const rung = new AbortController();
      this.#wake = () => {
        rung.abort();
      };
      const either = AbortSignal.any([signal, rung.signal]);
      await sleep(Math.max(0, ms - SHORTEST_MS), undefined, { signal: either }).catch(() => {});
    }
    this.#isRung = false;
    this.#wake = () => {};
  }
}
