import { setImmediate as letOthersRun } from 'node:timers/promises';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { countOfPicks, everyPick, randomPicks } from '../support/picks.ts';
import type { Picks, Ways } from '../support/picks.ts';
import type { PowerFailHost } from './host.ts';
import type { Operation } from './operations.ts';
import { complaintOf, recover } from './recover.ts';
import type { Turn } from './story.ts';
import { writeTree } from './tree-on-disk.ts';
import { Judge } from './verdict.ts';
import type { Verdict } from './verdict.ts';
import { VolatileTree } from './volatile-tree.ts';
import type { Tree } from './volatile-tree.ts';

export type Count = { states: number; old: number; new: number; neither: number };

export type LossOptions = {
  /** Kept or lost as one. */
  readonly unitBytes: number;
  /** Moments with no more states than this are gone through wholly. */
  readonly everyUpTo: number;
  /** States of the larger moments of a step, together. */
  readonly samples: number;
  /** Hosts that go on to the end from states of each step. */
  readonly recoveries: number;
  readonly seed: number;
  /** Only for what boots, and no further than to the first state that it is not right in. */
  readonly untilBricked?: boolean;
};

export type Losses = {
  readonly steps: ReadonlyMap<string, Count>;
  readonly recovered: number;
  /** What the first state did that a host must never be in; null if there is none. */
  readonly first: string | null;
};

const STATES_AT_ONCE = 256;

/** A moment when the most is unsynced: right before a sync, or between two calls to the slots. */
type Moment = {
  readonly step: string;
  readonly ways: Ways;
  /** What the host may boot. */
  readonly allowed: readonly string[];
  readonly after: (picks: Picks) => Tree;
};

/**
 * Takes the power away at every step of a turn, and looks what the host would boot. All that may be lost at any moment may be
 * lost right before the next sync too, so only those are gone through.
 */
export async function losePower(
  host: PowerFailHost,
  turn: Turn,
  recorded: readonly Operation[],
  options: LossOptions,
): Promise<Losses> {
  const operations = recorded.filter(
    (operation) => !('path' in operation && SCRATCH.test(operation.path)),
  );
  const { untilBricked = false } = options;
  const areas = await host.areas();
  const begin = () => new VolatileTree(turn.begin, { unitBytes: options.unitBytes, areas });
  const large = new Map<string, number>();
  for (const { step, ways } of momentsOf(begin(), turn, operations)) {
    if (countOfPicks(ways) > options.everyUpTo) large.set(step, (large.get(step) ?? 0) + 1);
  }
  const judge = await Judge.of(host);
  const random = xoroshiro128plus(options.seed);
  const steps = new Map<string, Count>();
  const left = new Map<string, number>();
  let first: string | null = null;
  let recovered = 0;
  for (const { step, ways, allowed, after } of momentsOf(begin(), turn, operations)) {
    const count = steps.get(step) ?? { states: 0, old: 0, new: 0, neither: 0 };
    steps.set(step, count);
    const isSmall = countOfPicks(ways) <= options.everyUpTo;
    const share = Math.ceil(options.samples / (large.get(step) ?? 1));
    for (const picks of isSmall ? everyPick(ways) : randomPicks(ways, { count: share, random })) {
      const verdict = await judge.judge(after(picks));
      const outcome = outcomeOf(untilBricked ? { ...verdict, damaged: [] } : verdict, {
        turn,
        allowed,
      });
      count.states += 1;
      count[outcome] += 1;
      // Other hosts live in this process, and it answers their agents.
      if (count.states % STATES_AT_ONCE === 0) await letOthersRun();
      if (outcome === 'neither') first ??= `${turn.name}, ${step}: ${JSON.stringify(verdict)}`;
      if (untilBricked && first !== null) return { steps, recovered, first };
    }
    for (const picks of randomPicks(ways, { count: recoveriesNow(left, step, options), random })) {
      writeTree(host.folder, after(picks));
      const rest = await recover(host, { isOff: true });
      const complaint = complaintOf(rest, turn);
      if (complaint !== null) first ??= `${turn.name}, ${step}: ${complaint}`;
      recovered += 1;
    }
  }
  return { steps, recovered, first };
}

function outcomeOf(
  { boots, fallsBackTo, damaged }: Verdict,
  { turn, allowed }: { readonly turn: Turn; readonly allowed: readonly string[] },
): 'old' | 'new' | 'neither' {
  const isKnown = fallsBackTo === turn.old || fallsBackTo === turn.new;
  if (boots === null || !allowed.includes(boots) || !isKnown || damaged.length > 0) {
    return 'neither';
  }
  return boots === turn.old ? 'old' : 'new';
}

/** Spread over the moments of a step, the first of which has one if any has. */
function recoveriesNow(
  left: Map<string, number>,
  step: string,
  { recoveries }: LossOptions,
): number {
  const before = left.get(step) ?? recoveries;
  if (before === 0) return 0;
  left.set(step, before - 1);
  return 1;
}

/** Where metadata is verified: each run empties it before it looks, and what it finds good it writes elsewhere. */
const SCRATCH = /^state\/tuf\/scratch\//;

const OUTSIDE = 'journal, trust and reports';

function* momentsOf(
  tree: VolatileTree,
  { runs }: Turn,
  operations: readonly Operation[],
): Generator<Moment> {
  let step = OUTSIDE;
  let allowed: readonly string[] = [runs];
  const moment = (): Moment => ({
    ...{ step, ways: tree.ways(), allowed },
    after: (picks) => tree.after(picks),
  });
  for (const operation of operations) {
    if (operation.kind === 'step' || operation.kind === 'sync') yield moment();
    if (operation.kind === 'step') {
      const [, edge, call = '', version] = /^(begin|end) (\w+) ?(\S*)$/.exec(operation.line) ?? [];
      const moves = call === 'activate' || call === 'deactivate';
      if (edge === 'begin') {
        step = call;
        if (moves && version !== undefined) allowed = [...allowed, version];
      } else {
        // An image is written behind the call that opens it.
        if (call !== 'writeImage') step = OUTSIDE;
        if (moves && version !== undefined) allowed = [version];
      }
    }
    tree.apply(operation);
  }
  yield moment();
}
