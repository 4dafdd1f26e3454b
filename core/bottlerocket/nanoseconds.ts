import { parseInstant } from '../instant.ts';

/** Instants as updog has them: whole nanoseconds since the epoch. */
export type Nanoseconds = bigint;

export const NANOSECONDS_PER_SECOND = 1_000_000_000n;
const NANOSECONDS_PER_MS = 1_000_000n;

/** First and last instant of chrono's `DateTime<Utc>`; its arithmetic panics beyond them. */
export const MIN_INSTANT: Nanoseconds = -8_334_601_228_800n * NANOSECONDS_PER_SECOND;
export const MAX_INSTANT: Nanoseconds = 8_210_266_876_800n * NANOSECONDS_PER_SECOND - 1n;

export function nanosecondsOf(instant: Date): Nanoseconds {
  return BigInt(instant.getTime()) * NANOSECONDS_PER_MS;
}

/** Reads an RFC 3339 time with any offset, to the nanosecond: further digits are dropped. Throws InstantError. */
export function parseNanoseconds(text: string): Nanoseconds {
  const toTheMs = nanosecondsOf(parseInstant(text));
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  return toTheMs + BigInt(fraction.slice(3, 9).padEnd(6, '0'));
}

/** chrono's `SecondsFormat::AutoSi`: RFC 3339 in UTC with `Z` and a fraction of 0, 3, 6 or 9 digits. */
export function formatNanoseconds(instant: Nanoseconds): string {
  const fraction =
    ((instant % NANOSECONDS_PER_SECOND) + NANOSECONDS_PER_SECOND) % NANOSECONDS_PER_SECOND;
  const date = new Date(Number((instant - fraction) / NANOSECONDS_PER_MS));
  const afterYear = date.toISOString().slice(-'-MM-DDTHH:MM:SS.000Z'.length, -'.000Z'.length);
  const digits = fraction
    .toString()
    .padStart(9, '0')
    .replace(/(?:000)+$/, '');
  return `${formatYear(date.getUTCFullYear())}${afterYear}${fraction === 0n ? '' : `.${digits}`}Z`;
}

/** chrono gives years outside 0..9999 a sign, and as many digits as they need. */
function formatYear(year: number): string {
  const digits = Math.abs(year).toString().padStart(4, '0');
  if (year < 0) return `-${digits}`;
  return year > 9999 ? `+${digits}` : digits;
}
