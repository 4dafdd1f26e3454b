import { SEED_COUNT } from '../seed.ts';
import { BottlerocketError } from './errors.ts';
import type { Update, Waves } from './manifest.ts';
import { MAX_INSTANT, NANOSECONDS_PER_SECOND } from './nanoseconds.ts';
import type { Nanoseconds } from './nanoseconds.ts';

/** updog's wave of a seed. A wave holds the seeds startSeed < seed <= endSeed; `initial` holds the first bound and below. */
export type UpdogWave =
  | { readonly kind: 'initial'; readonly endSeed: number; readonly endTime: Nanoseconds }
  | {
      readonly kind: 'general';
      readonly startSeed: number;
      readonly startTime: Nanoseconds;
      readonly endSeed: number;
      readonly endTime: Nanoseconds;
    }
  | { readonly kind: 'last'; readonly startSeed: number; readonly startTime: Nanoseconds };

type WithWaves = Pick<Update, 'waves'>;

/** `Update::update_wave`: null where updog sees no wave. Throws `bottlerocket/seed-panic`. */
export function updateWave({ waves }: WithWaves, seed: number): UpdogWave | null {
  const index = indexOfEnd(waves, seed);
  const start = waves[index - 1];
  const end = endAt(waves, index);
  if (start === undefined) {
    return end === undefined ? null : { kind: 'initial', endSeed: end[0], endTime: end[1] };
  }
  const [startSeed, startTime] = start;
  if (end === undefined) return { kind: 'last', startSeed, startTime };
  return { kind: 'general', startSeed, startTime, endSeed: end[0], endTime: end[1] };
}

/**
 * `Update::update_ready`: whether updog with this seed sees the update. It steps from the wave's start by the absolute
 * seed instead of the seed's place in the wave, and the first wave never waits. Throws where updog panics.
 */
export function updateReady({ waves }: WithWaves, seed: number, now: Nanoseconds): boolean {
  const index = indexOfEnd(waves, seed);
  const start = waves[index - 1];
  const end = endAt(waves, index);
  if (start === undefined) return true;
  if (end === undefined) return now >= start[1];
  if (now >= end[1]) return true;
  if (now < start[1]) return false;
  const target = targetTime(start, end, seed);
  if (target > MAX_INSTANT) {
    throw new BottlerocketError(
      'bottlerocket/time-panic',
      `updog panics: the wave at ${start[0]} is so long that seed ${seed} falls behind the year 262142`,
    );
  }
  return now >= target;
}

/** The earliest instant at which `updateReady` is true, or null if it is true at any time. Throws `bottlerocket/seed-panic`. */
export function readyAt({ waves }: WithWaves, seed: number): Nanoseconds | null {
  const index = indexOfEnd(waves, seed);
  const start = waves[index - 1];
  const end = endAt(waves, index);
  if (start === undefined) return null;
  if (end === undefined) return start[1];
  // Waves may go back in time: nothing but the order of bounds is checked when a manifest is read.
  if (end[1] <= start[1]) return end[1];
  const target = targetTime(start, end, seed);
  return target < end[1] ? target : end[1];
}

type Bound = Waves[number];

/** chrono's division truncates seconds and nanoseconds apart, which can lose a nanosecond against an exact one. */
function targetTime(start: Bound, end: Bound, seed: number): Nanoseconds {
  const duration = end[1] - start[1];
  const count = BigInt(end[0] - start[0]);
  const seconds = duration / NANOSECONDS_PER_SECOND;
  const carry = ((seconds % count) * NANOSECONDS_PER_SECOND) / count;
  const nanoseconds = (duration % NANOSECONDS_PER_SECOND) / count;
  const step = (seconds / count) * NANOSECONDS_PER_SECOND + nanoseconds + carry;
  return start[1] + step * BigInt(seed);
}

/** Index of the first bound >= seed, by bisection; the length if there is none. */
function indexOfEnd(waves: Waves, seed: number): number {
  if (seed > SEED_COUNT && waves.length > 0) {
    throw new BottlerocketError(
      'bottlerocket/seed-panic',
      `updog panics: seed must be at most ${SEED_COUNT} when an update has waves, got ${seed}`,
    );
  }
  let low = 0;
  let high = waves.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((waves[middle]?.[0] ?? 0) < seed) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Bounds above 2048 never end a wave. */
function endAt(waves: Waves, index: number): Bound | undefined {
  const end = waves[index];
  return end !== undefined && end[0] <= SEED_COUNT ? end : undefined;
}
