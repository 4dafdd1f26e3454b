import { clockFor, curveOf, seedsAt } from './curve.ts';
import type { CurvePoint, Opening } from './curve.ts';
import type { Rollout } from './rollout.ts';

/** The opening whose gate the clock may not pass yet, or null if none is ahead. */
export function closedGate(rollout: Pick<Rollout, 'policy' | 'approvedOpenings'>): Opening | null {
  const gate = curveOf(rollout.policy).openings.find(
    ({ needsApproval, index }) => needsApproval && index >= rollout.approvedOpenings,
  );
  return gate ?? null;
}

/** The part of the curve that the tide will follow without a person: up to the first closed gate. */
export function reachablePoints(
  rollout: Pick<Rollout, 'policy' | 'approvedOpenings'>,
): readonly CurvePoint[] {
  const gate = closedGate(rollout);
  return curveOf(rollout.policy).points.filter(
    ({ atMs, seeds }) => gate === null || (atMs <= gate.atMs && seeds <= gate.seeds),
  );
}

/** Milliseconds on the rollout's clock. It runs only while the rollout does, and stops at a closed gate. */
export function clockAt(rollout: Rollout, now: Date): number {
  if (rollout.runningSince === null) return rollout.clockMs;
  const ranMs = Math.max(0, now.getTime() - rollout.runningSince.getTime());
  const gate = closedGate(rollout);
  const limitMs = gate === null ? Number.POSITIVE_INFINITY : Math.max(gate.atMs, rollout.clockMs);
  return Math.min(limitMs, rollout.clockMs + ranMs);
}

/** Whether the tide stands at a gate that a person has to open. */
export function isAtGate(rollout: Rollout, now: Date): boolean {
  const gate = closedGate(rollout);
  return gate !== null && clockAt(rollout, now) >= gate.atMs;
}

/**
 * How many of the 2048 seeds the rollout has let through: a host with seed s is through iff s < tide. Withdrawn and
 * rolled back it is 0. While paused it stands where it stood, although no host may start then.
 */
export function tideAt(rollout: Rollout, now: Date): number {
  if (rollout.state === 'withdrawn' || rollout.state === 'rolled-back') return 0;
  const gate = closedGate(rollout);
  const clockMs = clockAt(rollout, now);
  return gate !== null && clockMs >= gate.atMs
    ? gate.seeds
    : seedsAt(curveOf(rollout.policy), clockMs);
}

/**
 * The inverse of `tideAt` for a running rollout: the first instant, not before `runningSince`, at which the tide covers
 * the seed if nobody intervenes. Null if that will not happen: not running, a closed gate before it, a policy that ends below.
 */
export function opensFor(rollout: Rollout, seed: number): Date | null {
  if (rollout.runningSince === null) return null;
  const clockMs = clockFor(curveOf(rollout.policy), seed);
  const gate = closedGate(rollout);
  if (clockMs === null || (gate !== null && seed >= gate.seeds)) return null;
  const aheadMs = Math.max(0, clockMs - rollout.clockMs);
  return new Date(rollout.runningSince.getTime() + aheadMs);
}

/**
 * The instant that a clock stands for while the rollout runs as it does now. For clocks before `clockMs` it is an
 * instant before `runningSince`: where a rollout that never paused would have passed it.
 */
export function instantOf(
  rollout: Pick<Rollout, 'clockMs'> & { readonly runningSince: Date },
  clockMs: number,
): Date {
  return new Date(rollout.runningSince.getTime() + clockMs - rollout.clockMs);
}
