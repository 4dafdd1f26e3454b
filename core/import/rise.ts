import type { Waves } from '../bottlerocket/manifest.ts';
import { formatNanoseconds, nanosecondsOf } from '../bottlerocket/nanoseconds.ts';
import type { Nanoseconds } from '../bottlerocket/nanoseconds.ts';
import { readyAt } from '../bottlerocket/update-ready.ts';
import { compileWaves } from '../compiled-waves.ts';
import type { RunningRollout } from '../compiled-waves.ts';
import { SEED_COUNT } from '../seed.ts';
import { opensFor } from '../tide.ts';

/** The largest difference in one direction, and the first instant of it; null is before the first wave. */
export type Deviation = { readonly seeds: number; readonly at: string | null };

/** How our rollout strays from the source: `earlier` lets more seeds through than the source at that instant. */
export type RiseComparison = { readonly earlier: Deviation; readonly later: Deviation };

export type RiseReport = {
  /** Our tide against what unmodified hosts of the source do, upstream's late waves included. */
  readonly tide: RiseComparison;
  /** Our tide against the straight lines that the source's waves stand for. */
  readonly line: RiseComparison;
  /** What unmodified hosts do with our compiled waves against what they do with the source's. */
  readonly compiled: RiseComparison;
};

/** When each of the 2048 seeds opens; null is at any time, undefined never. */
type Rise = readonly (Nanoseconds | null | undefined)[];

/** Compares a rollout with the `waves` it was made of, seed by seed. Throws where updog would panic. */
export function compareRises(waves: Waves, rollout: RunningRollout): RiseReport {
  const theirs = seeds((seed) => readyAt({ waves }, seed));
  const tide = seeds((seed) => {
    const opens = opensFor(rollout, seed);
    return opens === null ? undefined : nanosecondsOf(opens);
  });
  const compiledWaves = [...compileWaves(rollout)].toSorted(([a], [b]) => a - b);
  // Our manifest lists a release only from its start, so that the seeds that never wait wait for that.
  const listedAt = tide[0];
  const compiled = seeds((seed) => readyAt({ waves: compiledWaves }, seed) ?? listedAt);
  return {
    tide: deviations(theirs, tide),
    line: deviations(
      seeds((seed) => lineAt(waves, seed)),
      tide,
    ),
    compiled: deviations(theirs, compiled),
  };
}

function seeds<T>(of: (seed: number) => T): readonly T[] {
  return Array.from({ length: SEED_COUNT }, (_, seed) => of(seed));
}

/** When a seed would open if updog went by its place in the wave, as its authors meant. */
function lineAt(waves: Waves, seed: number): Nanoseconds | null {
  const index = waves.findIndex(([bound]) => bound > seed);
  const start = waves[index === -1 ? waves.length - 1 : index - 1];
  const end = index === -1 ? undefined : waves[index];
  if (start === undefined) return null;
  if (end === undefined || end[0] > SEED_COUNT || end[1] <= start[1]) return start[1];
  return start[1] + ((end[1] - start[1]) * BigInt(seed + 1 - start[0])) / BigInt(end[0] - start[0]);
}

/** Sweeps over all instants at which either side lets a seed through. */
function deviations(theirs: Rise, ours: Rise): RiseComparison {
  const events = [
    ...theirs.map((at) => ({ at, step: -1 })),
    ...ours.map((at) => ({ at, step: 1 })),
  ].flatMap(({ at, step }) => (at === undefined ? [] : [{ at, step }]));
  const sorted = events.toSorted((a, b) => order(a.at, b.at));
  let ahead = 0;
  let earlier: Deviation = { seeds: 0, at: null };
  let later: Deviation = { seeds: 0, at: null };
  sorted.forEach(({ at, step }, index) => {
    ahead += step;
    if (sorted[index + 1]?.at === at) return;
    const instant = () => (at === null ? null : formatNanoseconds(at));
    if (ahead > earlier.seeds) earlier = { seeds: ahead, at: instant() };
    if (-ahead > later.seeds) later = { seeds: -ahead, at: instant() };
  });
  return { earlier, later };
}

function order(a: Nanoseconds | null, b: Nanoseconds | null): number {
  if (a === b) return 0;
  return a === null || (b !== null && a < b) ? -1 : 1;
}
