import { curveOf } from '../curve.ts';
import { isOver } from '../rollout.ts';
import type { Rollout } from '../rollout.ts';
import { SEED_COUNT } from '../seed.ts';
import { clockAt, closedGate, instantOf, opensFor, reachedBy } from '../tide.ts';
import type { Group } from './rules.ts';

/** Whether the tide lets a host through; else when it will if nobody intervenes, null if that cannot be told. */
export type Passage =
  { readonly isThrough: true } | { readonly isThrough: false; readonly opensAt: Date | null };

const THROUGH: Passage = { isThrough: true };

type Place = { readonly seed: number; readonly group: Pick<Group, 'isFirst' | 'delayMs'> | null };

/**
 * Where a host stands towards the tide, its group's delay and precedence counted in. The delay is on the rollout's clock:
 * a pause or a closed gate holds it too, so that nobody who was let through is held again.
 */
export function passageOf(rollout: Rollout, { seed, group }: Place, now: Date): Passage {
  const delayMs = group?.delayMs ?? 0;
  if (group?.isFirst === true) return atFirstOpening(rollout, delayMs, now);
  if (seed < seedsThrough(rollout, group, now)) return THROUGH;
  const opensAt = opensFor(rollout, seed, delayMs);
  const isSure = opensAt !== null && isReached(rollout, opensAt);
  return { isThrough: false, opensAt: isSure ? opensAt : null };
}

/** How many of the 2048 seeds the tide lets through in a group, its delay and precedence counted in. */
export function seedsThrough(rollout: Rollout, group: Place['group'], now: Date): number {
  const delayMs = group?.delayMs ?? 0;
  if (group?.isFirst === true) {
    return atFirstOpening(rollout, delayMs, now).isThrough ? SEED_COUNT : 0;
  }
  return isOver(rollout) ? 0 : reachedBy(rollout, clockAt(rollout, now) - delayMs);
}

function atFirstOpening(rollout: Rollout, delayMs: number, now: Date): Passage {
  const [first] = curveOf(rollout.policy).openings;
  const isClosed = closedGate(rollout)?.index === 0;
  if (first === undefined || isClosed) return { isThrough: false, opensAt: null };
  const reachMs = first.atMs + delayMs;
  if (clockAt(rollout, now) >= reachMs) return THROUGH;
  const { clockMs, runningSince } = rollout;
  if (runningSince === null) return { isThrough: false, opensAt: null };
  const opensAt = instantOf({ clockMs, runningSince }, Math.max(reachMs, clockMs));
  return { isThrough: false, opensAt: isReached(rollout, opensAt) ? opensAt : null };
}

/** Whether the clock gets as far as it would by this instant, or stops at a closed gate before. */
function isReached(rollout: Rollout, at: Date): boolean {
  const gate = closedGate(rollout);
  if (gate === null || rollout.runningSince === null) return true;
  const reachMs = rollout.clockMs + at.getTime() - rollout.runningSince.getTime();
  return reachMs <= Math.max(gate.atMs, rollout.clockMs);
}
