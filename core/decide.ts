import { isAtGate, opensFor, tideAt } from './tide.ts';
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
      return null;
    case 'rolled-back':
      return order === 0 ? wayBack(rollout, current) : null;
    case 'running':
    case 'paused':
    case 'halted':
      return order > 0 ? forward(rollout, host, now) : null;
  }
}

function forward(rollout: Rollout, host: Host, now: Date): Decision {
  const { release, state } = rollout;
  const stay = (reason: StayReason, eligibleAt: Date | null = null): Stay => ({
    decision: 'stay',
    reason,
    rolloutId: rollout.id,
    eligibleAt,
  });
  if (release.minimumFrom !== null && compareVersions(host.version, release.minimumFrom) < 0) {
    return stay('barrier');
  }
  // The andon cord: while the rollout stands still no host starts, not even one below the tide.
  if (state === 'paused' || state === 'halted') return stay(state);
  const seed = rollout.seeds === 'shuffled' ? seedInRollout(rollout.id, host.id) : host.seed;
  if (seed < tideAt(rollout, now)) {
    return { decision: 'update', rolloutId: rollout.id, direction: 'forward', release };
  }
  return isAtGate(rollout, now) ? stay('gate') : stay('not-yet', opensFor(rollout, seed));
}

/** Back to where the rollout sends, and further while that release was rolled back too and the way is permitted. */
function wayBack({ id, release, sentBackTo }: Rollout, current: readonly Rollout[]): Update | null {
  if (sentBackTo === null) return null;
  const furthest = (from: ReleaseRef): ReleaseRef => {
    const next = current.find((rollout) => isSameRelease(rollout.release, from))?.sentBackTo;
    const leadsOn =
      next !== null &&
      next !== undefined &&
      compareVersions(next.version, from.version) < 0 &&
      release.rollbackTo.includes(next.version);
    return leadsOn ? furthest(next) : from;
  };
  return {
    decision: 'update',
    rolloutId: id,
    direction: 'rollback',
    release: furthest(sentBackTo),
  };
}
