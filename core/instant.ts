import { ExpectedError } from './errors.ts';

export class InstantError extends ExpectedError<'instant/invalid'> {}

const RFC_3339 =
  /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Reads an RFC 3339 time with any offset, to the millisecond: further digits are dropped. */
export function parseInstant(text: string): Date {
  const [, day = '', time = '', fraction = '', offset = ''] = RFC_3339.exec(text) ?? [];
  const milliseconds = fraction.slice(0, 3).padEnd(3, '0');
  const instant = new Date(`${day}T${time}.${milliseconds}${offset.toUpperCase()}`);
  // Date accepts 30 February and 24:00 by carrying over; such a text does not come back as it went in.
  const local = new Date(`${day}T${time}.${milliseconds}Z`);
  const isReal =
    !Number.isNaN(instant.getTime()) &&
    !Number.isNaN(local.getTime()) &&
    local.toISOString() === `${day}T${time}.${milliseconds}Z`;
  if (!isReal) {
    throw new InstantError(
      'instant/invalid',
      `time must be RFC 3339 like 2026-03-01T12:00:00Z, got ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  return instant;
}

/** UTC with `Z`, without a fraction when there is none: `2026-03-01T12:00:00Z`, `2026-03-01T12:00:00.250Z`. */
export function formatInstant(instant: Date): string {
  return instant.toISOString().replace('.000Z', 'Z');
}
