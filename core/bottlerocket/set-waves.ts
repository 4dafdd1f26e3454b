import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { SEED_COUNT } from '../seed.ts';
import { BottlerocketError, quote } from './errors.ts';
import type { Waves } from './manifest.ts';
import { MAX_INSTANT, NANOSECONDS_PER_SECOND } from './nanoseconds.ts';
import type { Nanoseconds } from './nanoseconds.ts';
import { parseU32 } from './u32.ts';

const updateWavesSchema = z.object({
  waves: z.array(
    z.object({
      start_after: z.string(),
      fleet_percentage: z.bigint().min(0n).max(0xffff_ffffn),
    }),
  ),
});

/** A wave policy as pubsys reads it; nothing of its meaning is checked yet. */
export type UpdateWaves = readonly {
  readonly startAfter: string;
  /** A u32. */
  readonly fleetPercentage: number;
}[];

/** Reads a wave policy as pubsys does, unknown keys ignored. Throws `bottlerocket/wave-format`. */
export function parseUpdateWaves(toml: string): UpdateWaves {
  const result = updateWavesSchema.safeParse(readToml(toml));
  if (!result.success) {
    throw new BottlerocketError(
      'bottlerocket/wave-format',
      `wave policy: ${z.prettifyError(result.error)}`,
    );
  }
  return result.data.waves.map((wave) => ({
    startAfter: wave.start_after,
    fleetPercentage: Number(wave.fleet_percentage),
  }));
}

/**
 * The `waves` that `Manifest::set_waves` writes for a release that starts at `startAt`. Upstream's traps included: the last
 * percentage is checked but has no effect, and of two equal percentages in a row the later wave replaces the earlier one.
 * Throws BottlerocketError.
 */
export function setWaves(policy: UpdateWaves, startAt: Nanoseconds): Waves {
  const opensAt = new Map<number, Nanoseconds>();
  let bound = 0;
  policy.forEach(({ startAfter, fleetPercentage }, index) => {
    const where = `wave ${index + 1}`;
    if (fleetPercentage < 1 || fleetPercentage > 100) {
      throw new BottlerocketError(
        'bottlerocket/percentage',
        `${where}: fleet_percentage must be from 1 to 100, got ${fleetPercentage}`,
      );
    }
    const at = startAt + parseOffset(startAfter);
    if (at > MAX_INSTANT) {
      throw new BottlerocketError(
        'bottlerocket/time-panic',
        `${where}: pubsys panics behind the year 262142, got start_after ${quote(startAfter)}`,
      );
    }
    opensAt.set(bound, at);
    bound = boundOf(fleetPercentage);
  });
  const waves = [...opensAt].toSorted(([a], [b]) => a - b);
  refuseUnordered(waves);
  return waves;
}

/**
 * Bottlerocket's `parse_offset` in nanoseconds: `[in] <u32> minute|hour|day|week[s]`; minutes since twoliter #473 of March
 * 2025. Throws `bottlerocket/offset`.
 */
export function parseOffset(text: string): Nanoseconds {
  const words = text.split(/\p{White_Space}+/u).filter((word) => word !== '');
  const [count = '', unit = '', ...more] =
    words.length === 3 && words[0] === 'in' ? words.slice(1) : words;
  const number = parseU32(count);
  const seconds = SECONDS.get(unit);
  if (number === null || seconds === undefined || more.length > 0) {
    throw new BottlerocketError(
      'bottlerocket/offset',
      `start_after must be like '4 hours' (minutes, hours, days, weeks), got ${quote(text)}`,
    );
  }
  return BigInt(number) * seconds * NANOSECONDS_PER_SECOND;
}

const SECONDS: ReadonlyMap<string, bigint> = new Map(
  Object.entries({ minute: 60n, hour: 3600n, day: 86_400n, week: 604_800n }).flatMap(
    ([unit, seconds]) => [
      [unit, seconds],
      [`${unit}s`, seconds],
    ],
  ),
);

/** In Rust's f32, truncated. */
function boundOf(percentage: number): number {
  const share = Math.fround(percentage / 100);
  return Math.trunc(Math.fround(share * SEED_COUNT));
}

function refuseUnordered(waves: Waves): void {
  waves.slice(1).forEach(([bound, at], index) => {
    const before = waves[index];
    if (before !== undefined && at <= before[1]) {
      throw new BottlerocketError(
        'bottlerocket/unordered',
        `waves: the one from seed ${bound} must open later than the one from seed ${before[0]}`,
      );
    }
  });
}

function readToml(text: string): unknown {
  try {
    return parse(text, { integersAsBigInt: true });
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [reason = ''] = cause.message.split('\n');
    throw new BottlerocketError(
      'bottlerocket/wave-format',
      `wave policy, line ${cause.line}: ${reason}`,
      { cause },
    );
  }
}
