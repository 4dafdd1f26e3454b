import { eligibleAt } from './eta.ts';
import { NOT_COUNTED } from './fleet/limit.ts';
import type { LeaseCount } from './fleet/limit.ts';
import { groupOf } from './fleet/rules.ts';
import type { FleetRules } from './fleet/rules.ts';
import { HOST_RULES, seedIn } from './host-rules.ts';
import type { HoldReason, Host, Step, Verdict } from './host-rules.ts';
import { currentRollouts, isSameRelease } from './rollout.ts';
import type { ReleaseRef, Rollout } from './rollout.ts';
import { ebbAt } from './tide.ts';
import { compareVersions } from './version.ts';

export type { Host } from './host-rules.ts';

export type StayReason = 'up-to-date' | HoldReason;

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

/** What a host is judged by. */
export type Judgement = {
  readonly rollouts: readonly Rollout[];
  readonly rules: FleetRules;
  /** The leases that are out; left out by programs that grant none. */
  readonly leases?: LeaseCount;
};

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
 * What the host may do now: the newest release whose tide covers it and that no rule of the fleet holds back; else the
 * way back if the release it runs was rolled back; else stay. Every program that answers this question calls this function.
 */
export function decide(host: Host, judgement: Judgement, now: Date): Decision {
  return decideAmong(
    host,
    { ...judgement, rollouts: currentNewestFirst(judgement.rollouts, host) },
    now,
  );
}

/** What a host is told that was let through, but could not be given a lease. */
export function withoutLease({ rolloutId }: Update): Stay {
  return { decision: 'stay', reason: 'concurrency', rolloutId, eligibleAt: null };
}

/** `decide` for whoever has `currentNewestFirst` of the host's platform at hand already. */
export function decideAmong(host: Host, judgement: Judgement, now: Date): Decision {
  let back: Update | null = null;
  let wait: Stay | null = null;
  for (const step of stepsAmong(host, judgement, now)) {
    const answer = answerTo(step, now);
    if (answer.decision === 'stay') {
      if (wait === null || isSooner(answer, wait)) wait = answer;
    } else if (answer.direction === 'forward') {
      return answer;
    } else {
      back ??= answer;
    }
  }
  return back ?? wait ?? UP_TO_DATE;
}

function isSooner({ eligibleAt: one }: Stay, { eligibleAt: other }: Stay): boolean {
  return one !== null && (other === null || one < other);
}

/** What one rollout alone says to a host: an update, a wait, or null where it does not concern the host. */
export function offerOf(
  rolloutId: string,
  host: Host,
  judgement: Judgement,
  now: Date,
): Decision | null {
  const step = stepsOf(host, judgement, now).find(({ rollout }) => rollout.id === rolloutId);
  return step === undefined ? null : answerTo(step, now);
}

/** The steps that the rollouts in force would have the host take, to the newest release first. */
export function stepsOf(host: Host, judgement: Judgement, now: Date): Step[] {
  const rollouts = currentNewestFirst(judgement.rollouts, host);
  return stepsAmong(host, { ...judgement, rollouts }, now);
}

function stepsAmong(
  host: Host,
  { rollouts: current, rules, leases = NOT_COUNTED }: Judgement,
  now: Date,
): Step[] {
  const group = groupOf(host, rules);
  return current.flatMap((rollout) => {
    const way = wayOf(rollout, host, current, now);
    return way === null ? [] : [{ host, group, rollout, fleet: rules, leases, ...way }];
  });
}

function answerTo(step: Step, now: Date): Decision {
  const { rollout, direction, release } = step;
  const verdict = firstHold(step, now);
  if (verdict === null) {
    const { id: rolloutId, attempt } = rollout;
    return { decision: 'update', rolloutId, direction, release, attempt };
  }
  return {
    decision: 'stay',
    reason: verdict.reason,
    rolloutId: rollout.id,
    // What a person or another host decides has no time, whatever else holds.
    eligibleAt: verdict.until === null ? null : eligibleAt(step, verdict.until),
  };
}

function firstHold(step: Step, now: Date): (Verdict & { readonly verdict: 'hold' }) | null {
  for (const { judge } of HOST_RULES) {
    const verdict = judge(step, now);
    if (verdict.verdict === 'hold') return verdict;
  }
  return null;
}

function wayOf(
  rollout: Rollout,
  host: Host,
  current: readonly Rollout[],
  now: Date,
): Pick<Step, 'direction' | 'release'> | null {
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
        return order === 0 ? wayBack(rollout, host, current, now) : null;
      return order > 0 ? { direction: 'forward', release } : null;
  }
}

/** Back to where the rollout sends, and further while that release lets the host go too and the way is permitted. */
function wayBack(
  { release, sentBackTo }: Rollout,
  host: Host,
  current: readonly Rollout[],
  now: Date,
): Pick<Step, 'direction' | 'release'> | null {
  if (sentBackTo === null) return null;
  const furthest = (from: ReleaseRef): ReleaseRef => {
    const ahead = current.find((rollout) => isSameRelease(rollout.release, from));
    const isOpen = ahead?.state === 'rolled-back' && seedIn(ahead, host) < ebbAt(ahead, now);
    const next = isOpen ? ahead.sentBackTo : null;
    const leadsOn =
      next !== null &&
      compareVersions(next.version, from.version) < 0 &&
      release.rollbackTo.includes(next.version);
    return leadsOn ? furthest(next) : from;
  };
  return { direction: 'rollback', release: furthest(sentBackTo) };
}
