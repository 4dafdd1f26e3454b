import { passageOf } from './fleet/delay.ts';
import { freezesAt, windowsAt } from './fleet/calendar.ts';
import { ceilingOf, limitsIn } from './fleet/limit.ts';
import type { LeaseCount } from './fleet/limit.ts';
import type { FleetRules, Group, Member } from './fleet/rules.ts';
import { isInRange } from './fleet/version-range.ts';
import type { ReleaseRef, Rollout } from './rollout.ts';
import { seedInRollout } from './seed.ts';
import { ebbAt, gateAt, opensFor } from './tide.ts';
import { compareVersions } from './version.ts';

/** A release that failed on a host, in which attempt of its rollout, and when the host will try it again; null is never. */
export type FailedRelease = {
  readonly version: string;
  readonly attempt: number;
  readonly retryAt: Date | null;
};

/** What the decision needs to know of a host. `seed` is its place in the queue, 0..2047. */
export type Host = Member & {
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly seed: number;
  readonly failed?: readonly FailedRelease[] | undefined;
};

export type HoldReason =
  | 'excluded'
  | 'dead-end'
  | 'barrier'
  | 'locked'
  | 'paused'
  | 'halted'
  | 'gate'
  | 'not-yet'
  | 'frozen'
  | 'window'
  | 'failed'
  | 'concurrency';

/** One step that a rollout would have a host take. */
export type Step = {
  readonly host: Host;
  readonly group: Group | null;
  readonly rollout: Rollout;
  readonly direction: 'forward' | 'rollback';
  /** Where the step leads. */
  readonly release: ReleaseRef;
  readonly fleet: FleetRules;
  readonly leases: LeaseCount;
};

export type Verdict =
  | { readonly verdict: 'pass' }
  | {
      readonly verdict: 'hold';
      readonly reason: HoldReason;
      /** The first instant at which this rule passes if nobody intervenes; null if that cannot be told. */
      readonly until: Date | null;
    };

type RuleName =
  | 'exclude'
  | 'dead-end'
  | 'barrier'
  | 'lock'
  | 'state'
  | 'tide'
  | 'freeze'
  | 'window'
  | 'failure'
  | 'concurrency';

export type HostRule = {
  readonly name: RuleName;
  readonly judge: (step: Step, now: Date) => Verdict;
  /** Whether others decide about it from one moment to the next, so that a forecast leaves it out. */
  readonly isUnforeseeable?: boolean;
};

const PASS: Verdict = { verdict: 'pass' };

function hold(reason: HoldReason, until: Date | null = null): Verdict {
  return { verdict: 'hold', reason, until };
}

/** Every rule that stands between a host and an update, in the order in which they are asked: the first that holds is the reason. */
export const HOST_RULES: readonly HostRule[] = [
  {
    name: 'exclude',
    judge: ({ host, fleet }) => (fleet.excludes.has(host.id) ? hold('excluded') : PASS),
  },
  {
    // Nobody leaves it, since no way out is known to work; and so nobody is led into it.
    name: 'dead-end',
    judge: ({ host, release, fleet }) =>
      fleet.deadEnds.some(({ versions }) =>
        [host.version, release.version].some((version) => isInRange(version, versions)),
      )
        ? hold('dead-end')
        : PASS,
  },
  {
    name: 'barrier',
    judge: ({ host, release, direction }) =>
      direction === 'forward' &&
      release.minimumFrom !== null &&
      compareVersions(host.version, release.minimumFrom) < 0
        ? hold('barrier')
        : PASS,
  },
  { name: 'lock', judge: judgeLock },
  {
    // The andon cord: while the rollout stands still no host starts, not even one below the tide.
    name: 'state',
    judge: ({ rollout: { state } }) =>
      state === 'paused' || state === 'halted' ? hold(state) : PASS,
  },
  { name: 'tide', judge: judgeTide },
  { name: 'freeze', judge: judgeFreeze },
  { name: 'window', judge: judgeWindow },
  { name: 'failure', judge: judgeFailure },
  { name: 'concurrency', judge: judgeConcurrency, isUnforeseeable: true },
];

/** A host's place in this rollout's queue. */
export function seedIn(rollout: Pick<Rollout, 'id' | 'seeds'>, host: Host): number {
  return rollout.seeds === 'shuffled' ? seedInRollout(rollout.id, host.id) : host.seed;
}

/** A pin is the nearer rule: it stands instead of the group's range, and holds for a way back too. */
function judgeLock({ host, group, release, direction, fleet }: Step): Verdict {
  const pin = fleet.pins.get(host.id);
  if (pin !== undefined) return pin === release.version ? PASS : hold('locked');
  const isFree =
    direction === 'rollback' ||
    group === null ||
    group.versions === null ||
    isInRange(release.version, group.versions);
  return isFree ? PASS : hold('locked');
}

/** A way back has waves of its own, the same ones for every group. */
function judgeTide({ host, group, rollout, direction }: Step, now: Date): Verdict {
  const seed = seedIn(rollout, host);
  const passage =
    direction === 'forward'
      ? passageOf(rollout, { seed, group }, now)
      : { isThrough: seed < ebbAt(rollout, now), opensAt: opensFor(rollout, seed) };
  if (passage.isThrough) return PASS;
  return gateAt(rollout, now) === null ? hold('not-yet', passage.opensAt) : hold('gate');
}

function judgeFreeze(step: Step, now: Date): Verdict {
  if (!isBoundByCalendar(step)) return PASS;
  const { isOpen, until } = freezesAt(step.fleet.freezes, step.group?.name ?? null, now);
  return isOpen ? PASS : hold('frozen', until);
}

function judgeWindow(step: Step, now: Date): Verdict {
  if (!isBoundByCalendar(step)) return PASS;
  const { isOpen, until } = windowsAt(step.group?.windows ?? [], now);
  return isOpen ? PASS : hold('window', until);
}

/** A way back repairs what is broken now: it waits for the calendar only where the group asks for it. */
function isBoundByCalendar({ direction, group }: Step): boolean {
  return direction === 'forward' || group?.rollback === 'waits';
}

/** Who would not start is not let start, and takes no lease from others. */
function judgeFailure({ host: { failed }, rollout, release }: Step, now: Date): Verdict {
  const failure = failed?.find(({ version }) => version === release.version);
  if (failure === undefined || rollout.attempt > failure.attempt) return PASS;
  const { retryAt } = failure;
  return retryAt !== null && retryAt <= now ? PASS : hold('failed', retryAt);
}

/** A way back counts too: it takes a host down as a way forward does. */
function judgeConcurrency({ host, group, leases }: Step): Verdict {
  const isFull =
    group !== null &&
    limitsIn(group, host).some(({ key, limit }) => {
      const count = leases(key);
      return count !== null && count.inUse >= ceilingOf(limit, count.members);
    });
  return isFull ? hold('concurrency') : PASS;
}
