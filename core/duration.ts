import { ExpectedError } from './errors.ts';

export class DurationError extends ExpectedError<'duration/invalid'> {}

const UNIT_MS = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
} as const;

/** Ten years: a rollout of a hundred waves still ends before the year 9999, after which times have another form. */
const MAX_DURATION_MS = 3653 * UNIT_MS.day;

const DURATION = /^(?:in\s+)?(\d{1,10})\s+(second|minute|hour|day|week)s?$/;

/** Reads `[in] <whole number> second|minute|hour|day|week[s]` as milliseconds, as Bottlerocket writes durations; at most ten years. */
export function parseDuration(text: string): number {
  const [, count, unit] = DURATION.exec(text.trim()) ?? [];
  const ms = isUnit(unit) ? Number(count) * UNIT_MS[unit] : Number.NaN;
  if (!(ms <= MAX_DURATION_MS)) {
    throw new DurationError(
      'duration/invalid',
      `duration must be like '4 hours' (seconds, minutes, hours, days, weeks; at most 10 years), got ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  return ms;
}

function isUnit(text: string | undefined): text is keyof typeof UNIT_MS {
  return text !== undefined && Object.hasOwn(UNIT_MS, text);
}

/** For people: `6 days`, `90 minutes`; the largest unit that divides it, else seconds rounded down. */
export function formatDuration(ms: number): string {
  const units = (['week', 'day', 'hour', 'minute', 'second'] as const).filter(
    (name) => ms >= UNIT_MS[name],
  );
  const unit = units.find((name) => ms % UNIT_MS[name] === 0) ?? 'second';
  const count = Math.floor(ms / UNIT_MS[unit]);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
