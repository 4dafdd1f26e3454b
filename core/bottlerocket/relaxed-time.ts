import { BottlerocketError, quote } from './errors.ts';
import { MAX_INSTANT, MIN_INSTANT, NANOSECONDS_PER_SECOND, nanosecondsOf } from './nanoseconds.ts';
import type { Nanoseconds } from './nanoseconds.ts';

const SPACE = String.raw`\p{White_Space}*`;
const DATE = `([+-][0-9]+|[0-9]{1,4})${SPACE}-${SPACE}([0-9]{1,2})${SPACE}-${SPACE}([0-9]{1,2})`;
const TIME = String.raw`([0-9]{1,2})${SPACE}:${SPACE}([0-9]{1,2})${SPACE}:${SPACE}([0-9]{1,2})(?:\.([0-9]+))?`;
// The second minus is U+2212. The offset needs its minutes, with any colons and spaces before them.
const ZONE = String.raw`(?:[Uu][Tt][Cc]|[Zz]|([+\-−])([0-9]{2})[:\p{White_Space}]*([0-5][0-9]))`;
const RELAXED = new RegExp(`^${SPACE}${DATE}[Tt ]${SPACE}${TIME}${SPACE}${ZONE}${SPACE}$`, 'u');

/**
 * Reads a time as chrono's `FromStr for DateTime<Utc>` does: RFC 3339 with fields that need no padding, spaces between
 * parts, `UTC` as zone and years of any sign. A leap second counts as the first instant of the next minute, which is
 * how it compares with any other instant. Throws `bottlerocket/time`.
 */
export function parseRelaxedTime(text: string): Nanoseconds {
  const instant = readTime(text);
  if (instant === null || instant < MIN_INSTANT || instant > MAX_INSTANT) {
    throw new BottlerocketError(
      'bottlerocket/time',
      `time must be like 2026-03-01T12:00:00Z, got ${quote(text)}`,
    );
  }
  return instant;
}

function readTime(text: string): Nanoseconds | null {
  const match = RELAXED.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match.map(Number);
  const [fraction = '', sign = '', zoneHours = '0', zoneMinutes = '0'] = match.slice(7);
  const midnight = dayOf(year, month, day);
  const time = secondOfDay(hour, minute, second);
  if (midnight === null || time === null || Number(zoneHours) > 23) return null;
  const offset = BigInt(Number(zoneHours) * 3600 + Number(zoneMinutes) * 60);
  const local = midnight + time * NANOSECONDS_PER_SECOND;
  const nanoseconds = second === 60 ? 0n : BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  // chrono checks the range of the local time as well as that of the universal time.
  if (local < MIN_INSTANT || local > MAX_INSTANT) return null;
  return local + nanoseconds + (sign === '+' ? -offset : offset) * NANOSECONDS_PER_SECOND;
}

/** Midnight of a day that exists, in a year that JavaScript's Date reaches too; it reaches further than chrono. */
function dayOf(year = Number.NaN, month = 0, day = 0): Nanoseconds | null {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return isReal ? nanosecondsOf(date) : null;
}

function secondOfDay(hour = 24, minute = 60, second = 61): bigint | null {
  if (hour > 23 || minute > 59 || second > 60) return null;
  return BigInt(hour * 3600 + minute * 60 + second);
}
