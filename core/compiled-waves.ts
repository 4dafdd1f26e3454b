import type { Rollout } from './rollout.ts';
import { SEED_COUNT } from './seed.ts';
import { instantOf, reachablePoints } from './tide.ts';

const NANOSECONDS_PER_MS = 1_000_000n;

/**
 * Seeds in one compiled wave. Inside a wave updog goes by the absolute seed, so it may stray from the line by the whole
 * wave and by its one seed at the right bound: 17 of 2048 is 0.83 %.
 */
const SEEDS_PER_WAVE = 16;

/**
 * When the seeds above the last percentage would open: never. Not later than this, because updog computes
 * `start + step * seed`, and its time library ends in the year 262142: 2048 times the years until 2099 stay below.
 */
const NEVER = BigInt(Date.UTC(2099, 11, 31)) * NANOSECONDS_PER_MS;

export type RunningRollout = Rollout & { readonly runningSince: Date };

/**
 * Bottlerocket's `waves` for a running rollout: seed bound -> nanoseconds since the epoch, strictly rising. An unmodified
 * updog that follows it stays within 1 % of the tide, as long as the rollout is left alone.
 */
export function compileWaves(rollout: RunningRollout): ReadonlyMap<number, bigint> {
  const points = reachablePoints(rollout);
  const waves = new Map<number, bigint>();
  let latest = 0n;
  const nanosecondsAt = (clockMs: number) =>
    BigInt(instantOf(rollout, clockMs).getTime()) * NANOSECONDS_PER_MS;
  const open = (bound: number, clockMs: number) => {
    const reached = nanosecondsAt(clockMs);
    latest = reached > latest ? reached : latest + 1n;
    waves.set(bound, latest);
  };
  points.forEach((to, index) => {
    const from = points[index - 1];
    if (from === undefined || from.seeds === to.seeds) return;
    const isJump = from.atMs === to.atMs;
    const steps = stepsBetween(from, to);
    const isSteep = isJump || (steps[0]?.seeds ?? 0) - from.seeds > SEEDS_PER_WAVE;
    const standsSince = waves.get(from.seeds);
    if (standsSince === undefined) open(from.seeds, from.atMs);
    // Where the tide stood still before a steep rise, a wave of one seed keeps the seeds above from opening meanwhile.
    else if (isSteep && standsSince < nanosecondsAt(from.atMs)) open(from.seeds + 1, from.atMs);
    steps.forEach(({ atMs, seeds }) => {
      const isForAll = isJump && seeds === SEED_COUNT;
      if (!isForAll && !waves.has(seeds)) open(seeds, atMs);
    });
  });
  const reach = points.at(-1)?.seeds ?? 0;
  if (reach < SEED_COUNT) waves.set(reach + 1, NEVER);
  return waves;
}

/**
 * The bounds after `from` up to and including `to`, at most one wave apart, and when each is reached; for a jump only `to`.
 * Where the tide rises by more than one wave in a millisecond only the last bound of that millisecond counts: the others
 * would have to wait for each other.
 */
function stepsBetween(from: Point, to: Point): readonly Point[] {
  const bounds: number[] = [];
  for (let bound = from.seeds + SEEDS_PER_WAVE; bound < to.seeds; bound += SEEDS_PER_WAVE) {
    bounds.push(bound);
  }
  const steps = [...bounds, to.seeds].map((seeds) => ({
    seeds,
    atMs: from.atMs + msToReach(seeds, from, to),
  }));
  return steps.filter(({ atMs }, index) => atMs !== steps[index + 1]?.atMs);
}

type Point = { readonly atMs: number; readonly seeds: number };

function msToReach(seeds: number, from: Point, to: Point): number {
  return Math.ceil(((seeds - from.seeds) * (to.atMs - from.atMs)) / (to.seeds - from.seeds));
}
