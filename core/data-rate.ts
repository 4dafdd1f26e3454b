import { ExpectedError } from './errors.ts';

export class DataRateError extends ExpectedError<'data-rate/invalid'> {}

const UNIT_BYTES = {
  B: 1,
  kB: 1000,
  KiB: 1024,
  MB: 1000 ** 2,
  MiB: 1024 ** 2,
  GB: 1000 ** 3,
  GiB: 1024 ** 3,
} as const;

/** Below this an image would be on its way for months. */
const SLOWEST = 1024;

const DATA_RATE = /^(\d{1,6}(?:\.\d{1,3})?)\s*([A-Za-z]{1,3})\/s$/;

/** Reads `10 MiB/s` as whole bytes per second; at least 1 KiB/s. */
export function parseDataRate(text: string): number {
  const [, count, unit] = DATA_RATE.exec(text.trim()) ?? [];
  const rate = isUnit(unit) ? Math.floor(Number(count) * UNIT_BYTES[unit]) : Number.NaN;
  if (!(rate >= SLOWEST)) {
    throw new DataRateError(
      'data-rate/invalid',
      `rate must be like '10 MiB/s' (B, kB, KiB, MB, MiB, GB, GiB; at least 1 KiB/s), got ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  return rate;
}

function isUnit(text: string | undefined): text is keyof typeof UNIT_BYTES {
  return text !== undefined && Object.hasOwn(UNIT_BYTES, text);
}
