import { gateAt, letThroughAt, opensFor } from './tide.ts';
import { currentRollouts, isSameRelease } from './rollout.ts';
import type { ReleaseRef, Rollout } from './rollout.ts';
import { seedInRollout } from './seed.ts';
import { compareVersions } from './version.ts';

/** What the decision needs to know of a host. `seed` is its place in the queue, 0..2047. */
export type Host = {
  readonly id: string;
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly seed: number;
};

export type StayReason = 'up-to-date' | 'not-yet' | 'paused' | 'halted' | 'gate' | 'barrier';

export type Update = {
  readonly decision: 'update';
  readonly rolloutId: string;
  readonly direction: 'forward' | 'rollback';
  readonly release: ReleaseRef;
  /** Of the rollout: hosts that failed in an earlier attempt shall try again at once. */
  readonly attempt: number;
};

export type Stay = {
  readonly decision: 'stay';
  readonly reason: StayReason;
  /** The rollout that the host waits for, if it waits. */
  readonly rolloutId: string | null;
  /** When the host will be let through if nobody intervenes; null if that cannot be told. */
  readonly eligibleAt: Date | null;
};

export type Decision = Update | Stay;

const UP_TO_DATE: Stay = {
  decision: 'stay',
  reason: 'up-to-date',
  rolloutId: null,
  eligibleAt: null,
};

/** The rollouts in force for a platform, the newest release first. */
export function currentNewestFirst(
  rollouts: readonly Rollout[],
  of: Pick<Host, 'variant' | 'arch'>,
): readonly Rollout[] {
  return currentRollouts(rollouts, of).toSorted((a, b) =>
    compareVersions(b.release.version, a.release.version),
  );
}

/**
 * What the host may do now: the newest release whose tide covers it; else the way back if the release it runs was
 * rolled back; else stay. Every program that answers this question calls this function.
 */
export function decide(host: Host, rollouts: readonly Rollout[], now: Date): Decision {
  return decideAmong(host, currentNewestFirst(rollouts, host), now);
}

/** `decide` for whoever has `currentNewestFirst` of the host's platform at hand already. */
export function decideAmong(host: Host, current: readonly Rollout[], now: Date): Decision {
  const answers = current.map((rollout) => offerOf(rollout, host, current, now));
  const update =
    answers.find((answer) => answer?.decision === 'update' && answer.direction === 'forward') ??
    answers.find((answer) => answer?.decision === 'update');
  if (update !== undefined && update !== null) return update;
  const waits = answers.filter((answer) => answer?.decision === 'stay');
  const [soonest] = waits
    .filter((wait) => wait.eligibleAt !== null)
    .toSorted((a, b) => Number(a.eligibleAt) - Number(b.eligibleAt));
  return soonest ?? waits[0] ?? UP_TO_DATE;
}

/**
 * What one rollout alone says to a host, among the current rollouts of its variant and arch: an update, a wait, or
 * null where it does not concern the host.
 */
export function offerOf(
  rollout: Rollout,
  host: Host,
  current: readonly Rollout[],
  now: Date,
): Decision | null {
  const { release, state } = rollout;
  const order = compareVersions(release.version, host.version);
  switch (state) {
    case 'withdrawn':
    case 'superseded':
      return null;
    case 'rolled-back':
    case 'running':
    case 'paused':
    case 'halted':
      if (rollout.sentBackTo !== null)
        return order === 0 ? back(rollout, host, current, now) : null;
      return order > 0 ? forward(rollout, host, now) : null;
  }
}

function forward(rollout: Rollout, host: Host, now: Date): Decision {
  const { release } = rollout;
  const { minimumFrom } = release;
  if (minimumFrom !== null && compareVersions(host.version, minimumFrom) < 0) {
    return stay(rollout, 'barrier');
  }
  return (
    heldBy(rollout, host, now) ?? {
      decision: 'update',
      rolloutId: rollout.id,
      direction: 'forward',
      release,
      attempt: rollout.attempt,
    }
  );
}

function back(
  rollout: Rollout,
  host: Host,
  current: readonly Rollout[],
  now: Date,
): Decision | null {
  const release = wayBack(rollout, host, current, now);
  if (release === null) return null;
  return (
    heldBy(rollout, host, now) ?? {
      decision: 'update',
      rolloutId: rollout.id,
      direction: 'rollback',
      release,
      attempt: rollout.attempt,
    }
  );
}

/** What still holds the host, whichever way the rollout goes; null if it is its turn. */
function heldBy(rollout: Rollout, host: Host, now: Date): Stay | null {
  const { state } = rollout;
  // The andon cord: while the rollout stands still no host starts, not even one below the tide.
  if (state === 'paused' || state === 'halted') return stay(rollout, state);
  const seed = seedIn(rollout, host);
  if (isLetThrough(rollout, seed, now)) return null;
  return gateAt(rollout, now) === null
    ? stay(rollout, 'not-yet', opensFor(rollout, seed))
    : stay(rollout, 'gate');
}

function stay({ id }: Rollout, reason: StayReason, eligibleAt: Date | null = null): Stay {
  return { decision: 'stay', reason, rolloutId: id, eligibleAt };
}

function seedIn({ id, seeds }: Rollout, host: Host): number {
  return seeds === 'shuffled' ? seedInRollout(id, host.id) : host.seed;
}

function isLetThrough(rollout: Rollout, seed: number, now: Date): boolean {
  return seed < letThroughAt(rollout, now);
}

/** Back to where the rollout sends, and further while that release was rolled back too and the way is permitted. */
function wayBack(
  { release, sentBackTo }: Rollout,
  host: Host,
  current: readonly Rollout[],
  now: Date,
): ReleaseRef | null {
  if (sentBackTo === null) return null;
  const furthest = (from: ReleaseRef): ReleaseRef => {
    const ahead = current.find((rollout) => isSameRelease(rollout.release, from));
    const isOpen = ahead?.state === 'rolled-back' && isLetThrough(ahead, seedIn(ahead, host), now);
    const next = isOpen ? ahead.sentBackTo : null;
    const leadsOn =
      next !== null &&
      compareVersions(next.version, from.version) < 0 &&
      release.rollbackTo.includes(next.version);
    return leadsOn ? furthest(next) : from;
  };
  return furthest(sentBackTo);
}
