import type { Waves } from '../bottlerocket/manifest.ts';
import { seedsIn } from '../curve.ts';
import { SEED_COUNT } from '../seed.ts';
import { EVERYONE_AT_ONCE } from '../wave.ts';
import type { Policy, Wave } from '../wave.ts';

/** A seed bound of the source that no whole percentage gives, and the seeds that the nearest one does. */
export type BoundChange = { readonly bound: number; readonly seeds: number };

export type ConvertedWaves =
  | {
      readonly kind: 'policy';
      readonly policy: Policy;
      /** The zero of the rollout's clock. */
      readonly startAt: Date;
      readonly bounds: readonly BoundChange[];
      /** Bounds whose instant is not later than that of the bound before, so that ours opens later. */
      readonly moved: readonly number[];
    }
  | { readonly kind: 'inexpressible'; readonly reason: string };

/** What our manifest can write: four digits of year. */
const FIRST_MS = Date.UTC(1970, 0, 1);
const LAST_MS = Date.UTC(9999, 0, 1);

type Step = { readonly bound: number; readonly atMs: number };
type Point = { readonly atMs: number; readonly percentage: number };

/**
 * The policy that comes nearest to Bottlerocket's `waves`. Each key is the bound at which a wave begins, and the fleet
 * reaches it at its instant: between two keys the intent is a straight line, above the last key all follow at once.
 * Where two bounds fall into one percentage the later instant counts, so that no seed is hurried.
 */
export function policyOfWaves(waves: Waves, now: Date): ConvertedWaves {
  // updog never ends a wave at a bound above 2048, and no seed is above one.
  const reachable = waves.filter(([bound]) => bound <= SEED_COUNT);
  const times = reachable.map(([bound, at]) => ({ bound, atMs: ceilToMs(at) }));
  const beyond = times.find(({ atMs }) => atMs < FIRST_MS || atMs > LAST_MS);
  if (beyond !== undefined) {
    return {
      kind: 'inexpressible',
      reason: `its wave from seed ${beyond.bound} opens outside the years 1970 to 9998`,
    };
  }
  const steps = rising(times);
  const moved = times
    .filter(({ atMs }, index) => steps[index]?.atMs !== atMs)
    .map(({ bound }) => bound);
  const points = pointsOf(steps);
  const [first] = points;
  if (first === undefined || first.percentage === 100) {
    return { kind: 'policy', policy: EVERYONE_AT_ONCE, startAt: now, bounds: [], moved };
  }
  const bounds = steps
    .map(({ bound }) => ({ bound, seeds: seedsIn(nearestPercentage(bound)) }))
    .filter(({ bound, seeds }) => bound !== seeds);
  // A first bound above 0 is let through at once: a wave of a millisecond.
  const startMs = first.percentage === 0 ? first.atMs : first.atMs - 1;
  const head = first.percentage === 0 ? [] : [waveOf(0, first.percentage)];
  const policy = {
    waves: [...head, ...wavesOf(points, startMs)],
    halt: null,
    outcomeWithinMs: null,
  };
  return { kind: 'policy', policy, startAt: new Date(startMs), bounds, moved };
}

/** Nothing is read but the order of bounds; where an instant goes back, ours follows the one before. */
function rising(steps: readonly Step[]): readonly Step[] {
  let latest = Number.NEGATIVE_INFINITY;
  return steps.map(({ bound, atMs }) => {
    latest = Math.max(atMs, latest + 1);
    return { bound, atMs: latest };
  });
}

function pointsOf(steps: readonly Step[]): readonly Point[] {
  const points: Point[] = [];
  for (const { bound, atMs } of steps) {
    const percentage = nearestPercentage(bound);
    if (points.at(-1)?.percentage === percentage) points.pop();
    points.push({ atMs, percentage });
  }
  return points;
}

/** Wave i opens at point i and reaches the percentage of point i + 1; the last one reaches all. */
function wavesOf(points: readonly Point[], startMs: number): readonly Wave[] {
  const end = points.at(-1);
  // A last bound of 2048 is no jump but the end of a rise.
  if (end?.percentage === 100) {
    const rise = points.slice(0, -1);
    const from = rise.at(-1);
    const rampMs = from === undefined ? 0 : end.atMs - from.atMs;
    return wavesOf(rise, startMs).map((wave, index, all) =>
      index === all.length - 1 ? { ...wave, rampMs } : wave,
    );
  }
  return points.map(({ atMs }, index) =>
    waveOf(atMs - startMs, points[index + 1]?.percentage ?? 100),
  );
}

function waveOf(opensAtMs: number, percentage: number): Wave {
  return { opensAtMs, percentage, gate: null, rampMs: 0 };
}

/** Of two that are equally near the lower one. */
function nearestPercentage(bound: number): number {
  const below = Math.floor((bound * 100) / SEED_COUNT);
  const [nearest = below] = [below, below + 1]
    .filter((percentage) => percentage <= 100)
    .toSorted((a, b) => Math.abs(seedsIn(a) - bound) - Math.abs(seedsIn(b) - bound) || a - b);
  return nearest;
}

function ceilToMs(instant: bigint): number {
  const ms = instant / 1_000_000n;
  return Number(instant > ms * 1_000_000n ? ms + 1n : ms);
}
