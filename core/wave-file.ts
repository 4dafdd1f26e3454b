import { parse, TomlDate, TomlError } from 'smol-toml';
import { z } from 'zod';
import { parseDuration } from './duration.ts';
import { formatInstant, parseInstant } from './instant.ts';
import { gateOf, gateShape, haltOf, haltShape, outcomeWithinOf } from './wave-conditions.ts';
import { attempt, checked, WaveError } from './wave-errors.ts';
import { EVERYONE_AT_ONCE } from './wave.ts';
import type { Policy, Wave } from './wave.ts';

type DraftWave = Omit<Wave, 'opensAtMs'> & {
  /** Milliseconds after the start, or an instant. */
  readonly startAfter: number | Date;
};

/** A wave file that was read, but whose absolute times still wait for the start. */
export type PolicyDraft = Omit<Policy, 'waves'> & { readonly waves: readonly DraftWave[] };

const waveShape = z.strictObject({
  start_after: z.union([z.string(), z.instanceof(TomlDate)]),
  fleet_percentage: z.number(),
  gate: gateShape.optional(),
  ramp: z.string().optional(),
});
const fileShape = z.strictObject({
  waves: z.array(z.unknown()).default([]),
  halt: haltShape.optional(),
  outcome_within: z.string().optional(),
});

/**
 * Reads Bottlerocket's wave policy (`[[waves]]`, `start_after`, `fleet_percentage`) with our optional `gate`,
 * `ramp`, `[halt]` and `outcome_within`. RFC 3339
 * times are taken for `start_after` too, as waves/README.md of Bottlerocket promises. Throws WaveError.
 */
export function parseWavePolicy(toml: string): PolicyDraft {
  const file = checked(fileShape, readToml(toml), 'wave policy');
  const { waves } = file;
  if (waves.length === 0) throw new WaveError('wave/none', 'wave policy: no [[waves]] in it');
  const drafts = waves.map((wave, index) => draftOf(wave, index + 1, waves.length));
  drafts.forEach(({ percentage }, index) => {
    const before = drafts[index - 1]?.percentage ?? 0;
    if (percentage <= before) {
      throw new WaveError(
        'wave/percentage-order',
        `wave ${index + 1}: fleet_percentage must be more than ${before}, got ${percentage}`,
      );
    }
  });
  // Times among themselves and durations among themselves must rise whatever the start is.
  drafts.slice(1).forEach(({ startAfter }, index) => {
    const before = drafts[index]?.startAfter;
    if (typeof before === typeof startAfter) refuseUnordered(index + 2, before, startAfter);
  });
  return {
    waves: drafts,
    halt: haltOf(file.halt),
    outcomeWithinMs: outcomeWithinOf(file.outcome_within),
  };
}

/** What a file with this text makes of a rollout from `startAt`; null is everyone at once. Throws WaveError. */
export function readPolicy(text: string | null, startAt: Date): Policy {
  return text === null ? EVERYONE_AT_ONCE : resolvePolicy(parseWavePolicy(text), startAt);
}

/** The policy with every opening as an offset from the start. Throws WaveError. */
export function resolvePolicy(draft: PolicyDraft, startAt: Date): Policy {
  const waves = draft.waves.map(({ startAfter, ...wave }, index) => {
    const opensAtMs =
      typeof startAfter === 'number' ? startAfter : startAfter.getTime() - startAt.getTime();
    if (opensAtMs < 0) {
      throw new WaveError(
        'wave/start-after',
        `wave ${index + 1}: start_after must not be before the start ${formatInstant(startAt)}, got ${shown(startAfter)}`,
      );
    }
    return { opensAtMs, ...wave };
  });
  waves.slice(1).forEach(({ opensAtMs }, index) => {
    refuseUnordered(index + 2, waves[index]?.opensAtMs, opensAtMs);
  });
  return { ...draft, waves };
}

function draftOf(value: unknown, number: number, count: number): DraftWave {
  const where = `wave ${number}`;
  const wave = checked(waveShape, value, where);
  const percentage = wave.fleet_percentage;
  if (!Number.isInteger(percentage) || percentage < 1 || percentage > 100) {
    throw new WaveError(
      'wave/percentage',
      `${where}: fleet_percentage must be a whole number from 1 to 100, got ${percentage}`,
    );
  }
  return {
    startAfter: startAfterOf(wave.start_after, where),
    percentage,
    gate: gateOf(wave.gate, where),
    rampMs: rampOf(wave.ramp, where, number === count),
  };
}

function startAfterOf(value: string | TomlDate, where: string): number | Date {
  const text = value instanceof TomlDate ? value.toISOString() : value;
  const duration = attempt(() => parseDuration(text));
  if (duration !== null) return duration;
  const instant = attempt(() => parseInstant(text));
  if (instant !== null) return instant;
  throw new WaveError(
    'wave/start-after',
    `${where}: start_after must be like '4 hours' or an RFC 3339 time with its offset, got '${text}'`,
  );
}

function rampOf(value: string | undefined, where: string, isLast: boolean): number {
  if (value === undefined) return 0;
  const rampMs = attempt(() => parseDuration(value));
  if (rampMs === null) {
    throw new WaveError('wave/ramp', `${where}: ramp must be like '6 hours', got '${value}'`);
  }
  if (isLast) return rampMs;
  throw new WaveError(
    'wave/ramp',
    `${where}: ramp is for the last wave only, the others rise until the next one opens; got '${value}'`,
  );
}

function refuseUnordered(
  number: number,
  before: number | Date | undefined,
  after: number | Date,
): void {
  if (before === undefined || Number(before) < Number(after)) return;
  throw new WaveError(
    'wave/unordered',
    `wave ${number}: start_after must be later than ${shown(before)} of the wave before, got ${shown(after)}`,
  );
}

function shown(startAfter: number | Date): string {
  return typeof startAfter === 'number'
    ? `${startAfter / 1000} seconds`
    : formatInstant(startAfter);
}

function readToml(text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [reason = ''] = cause.message.split('\n');
    throw new WaveError('wave/format', `wave policy, line ${cause.line}: ${reason}`, { cause });
  }
}
