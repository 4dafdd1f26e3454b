import { SEED_COUNT } from './seed.ts';
import type { Policy, Threshold } from './wave.ts';

/** A vertex of the tide: at this clock the tide has reached this many seeds. Two at one clock are a jump. */
export type CurvePoint = { readonly atMs: number; readonly seeds: number };

/** Where a wave opens, soaks before it included, and the tide reached just before it. */
export type Opening = CurvePoint & {
  readonly index: number;
  readonly needsApproval: boolean;
  readonly success: Threshold | null;
};

/** A policy as a curve over the rollout's clock; neither `atMs` nor `seeds` ever falls from point to point. */
export type Curve = {
  readonly points: readonly CurvePoint[];
  readonly openings: readonly Opening[];
  /** The openings that wait for a person or for outcomes. */
  readonly gates: readonly Opening[];
};

const curves = new WeakMap<Policy['waves'], Curve>();

const NO_GATE = { soakMs: 0, success: null, needsApproval: false };

/** Whole seeds in a percentage, as Bottlerocket counts them: rounded down. */
export function seedsIn(percentage: number): number {
  return Math.floor((percentage * SEED_COUNT) / 100);
}

/** Worked out once for each policy: every poll asks for it several times. */
export function curveOf({ waves }: Pick<Policy, 'waves'>): Curve {
  const known = curves.get(waves);
  if (known !== undefined) return known;
  const curve = curveThrough(waves);
  curves.set(waves, curve);
  return curve;
}

function curveThrough(waves: Policy['waves']): Curve {
  const points: CurvePoint[] = [];
  const openings: Opening[] = [];
  let soakedMs = 0;
  let seeds = 0;
  for (const wave of waves) {
    const reachedMs = wave.opensAtMs + soakedMs;
    points.push({ atMs: reachedMs, seeds });
    const { soakMs, success, needsApproval } = wave.gate ?? NO_GATE;
    if (soakMs > 0) {
      soakedMs += soakMs;
      points.push({ atMs: reachedMs + soakMs, seeds });
    }
    openings.push({
      index: openings.length,
      atMs: wave.opensAtMs + soakedMs,
      seeds,
      needsApproval,
      success,
    });
    seeds = seedsIn(wave.percentage);
  }
  const last = waves.at(-1);
  if (last !== undefined) points.push({ atMs: last.opensAtMs + soakedMs + last.rampMs, seeds });
  const gates = openings.filter(({ needsApproval, success }) => needsApproval || success !== null);
  return { points, openings, gates };
}

/** Whole seeds let through at a clock: 0..2048. At a jump it is the higher side. */
export function seedsAt({ points }: Curve, clockMs: number): number {
  const index = points.findLastIndex((point) => point.atMs <= clockMs);
  const from = points[index];
  if (from === undefined) return 0;
  const to = points[index + 1];
  if (to === undefined) return from.seeds;
  const risen = ((clockMs - from.atMs) * (to.seeds - from.seeds)) / (to.atMs - from.atMs);
  return from.seeds + Math.floor(risen);
}

/** The first millisecond of the clock at which `seedsAt` is above `seed`, or null if the curve ends below it. */
export function clockFor({ points }: Curve, seed: number): number | null {
  const index = points.findIndex((point) => point.seeds > seed);
  const from = points[index - 1];
  const to = points[index];
  if (from === undefined || to === undefined) return null;
  const risingMs = ((seed + 1 - from.seeds) * (to.atMs - from.atMs)) / (to.seeds - from.seeds);
  return from.atMs + Math.ceil(risingMs);
}
