import { clockFor, curveOf, seedsAt } from './curve.ts';
import type { CurvePoint, Opening } from './curve.ts';
import { isOver } from './rollout.ts';
import type { Rollout } from './rollout.ts';

/** What says which gates are closed. */
export type Gated = Pick<Rollout, 'policy' | 'approvedOpenings' | 'passedOpenings'>;

/** The opening whose gate the clock may not pass yet, or null if none is ahead. */
export function closedGate(rollout: Gated): Opening | null {
  for (const gate of curveOf(rollout.policy).gates) {
    if (lacksApproval(rollout, gate) || lacksSuccess(rollout, gate)) return gate;
  }
  return null;
}

/** Whether a person has yet to open this gate. */
export function lacksApproval(rollout: Gated, { needsApproval, index }: Opening): boolean {
  return needsApproval && index >= rollout.approvedOpenings;
}

/** Whether the outcomes of hosts have yet to open this gate. */
export function lacksSuccess(rollout: Gated, { success, index }: Opening): boolean {
  return success !== null && index >= rollout.passedOpenings;
}

/** The part of the curve that the tide will follow without a person: up to the first closed gate. */
export function reachablePoints(rollout: Gated): readonly CurvePoint[] {
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

/** The closed gate that the tide stands at, or null if it stands at none. */
export function gateAt(rollout: Rollout, now: Date): Opening | null {
  const gate = closedGate(rollout);
  return gate !== null && clockAt(rollout, now) >= gate.atMs ? gate : null;
}

/**
 * How many of the 2048 seeds the rollout has let through: a host with seed s is through iff s < tide. Once it is over or
 * sends hosts back it is 0. While paused it stands where it stood, although no host may start then.
 */
export function tideAt(rollout: Rollout, now: Date): number {
  return isOver(rollout) ? 0 : reachedAt(rollout, now);
}

/** How many of the 2048 seeds a rollout that sends hosts back has let go: its tide in the other direction. */
export function ebbAt(rollout: Rollout, now: Date): number {
  return rollout.sentBackTo === null ? 0 : reachedAt(rollout, now);
}

/** `tideAt` or `ebbAt`, whichever way the rollout goes; nobody is let through once it is over. */
export function letThroughAt(rollout: Rollout, now: Date): number {
  return rollout.sentBackTo === null ? tideAt(rollout, now) : ebbAt(rollout, now);
}

function reachedAt(rollout: Rollout, now: Date): number {
  return reachedBy(rollout, clockAt(rollout, now));
}

/** How many seeds the tide has reached by this time of the rollout's clock, whichever way it goes; over or not. */
export function reachedBy(rollout: Gated, clockMs: number): number {
  const gate = closedGate(rollout);
  return gate !== null && clockMs >= gate.atMs
    ? gate.seeds
    : seedsAt(curveOf(rollout.policy), clockMs);
}

/**
 * The inverse of `tideAt` and `ebbAt` while the clock runs: the first instant, not before `runningSince`, at which it covers
 * the seed if nobody intervenes, for hosts that follow `delayMs` behind. Null if that will not happen: not running, a closed
 * gate before it, a policy that ends below.
 */
export function opensFor(rollout: Rollout, seed: number, delayMs = 0): Date | null {
  if (rollout.runningSince === null) return null;
  const clockMs = clockFor(curveOf(rollout.policy), seed);
  const gate = closedGate(rollout);
  if (clockMs === null || (gate !== null && seed >= gate.seeds)) return null;
  const aheadMs = Math.max(0, clockMs + delayMs - rollout.clockMs);
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
