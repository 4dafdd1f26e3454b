import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  formatNanoseconds,
  MAX_INSTANT,
  MIN_INSTANT,
  nanosecondsOf,
  parseNanoseconds,
} from '../../../core/bottlerocket/nanoseconds.ts';
import { parseRelaxedTime } from '../../../core/bottlerocket/relaxed-time.ts';
import { codeOf } from './updog-samples.ts';

describe('formatNanoseconds', () => {
  it.each([
    [0n, '1970-01-01T00:00:00Z'],
    [1n, '1970-01-01T00:00:00.000000001Z'],
    [1000n, '1970-01-01T00:00:00.000001Z'],
    [120_000_000n, '1970-01-01T00:00:00.120Z'],
    [1_589_497_571_364_246_960n, '2020-05-14T23:06:11.364246960Z'],
    [-1n, '1969-12-31T23:59:59.999999999Z'],
    [-1_000_000_000n, '1969-12-31T23:59:59Z'],
    [-62_167_219_200_000_000_000n, '0000-01-01T00:00:00Z'],
    [-62_198_755_200_000_000_000n, '-0001-01-01T00:00:00Z'],
    [253_402_300_799_000_000_000n, '9999-12-31T23:59:59Z'],
    [327_403_382_400_000_000_000n, '+12345-01-01T00:00:00Z'],
    [MIN_INSTANT, '-262143-01-01T00:00:00Z'],
    [MAX_INSTANT, '+262142-12-31T23:59:59.999999999Z'],
  ])('%p is %s, as chrono writes it', (instant, text) => {
    expect(formatNanoseconds(instant)).toBe(text);
  });

  it('is read back as the same instant, over the whole range of chrono', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: MIN_INSTANT, max: MAX_INSTANT }), (instant) => {
        expect(parseRelaxedTime(formatNanoseconds(instant))).toBe(instant);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe('parseNanoseconds', () => {
  it.each([
    ['2025-08-26T02:07:19.024390227Z', 1_756_174_039_024_390_227n],
    ['2025-08-26T04:07:19.024390227+02:00', 1_756_174_039_024_390_227n],
    ['2025-08-26T02:07:19.0243902279999Z', 1_756_174_039_024_390_227n],
    ['2025-08-26T02:07:19Z', 1_756_174_039_000_000_000n],
    ['2025-08-26T02:07:19.5Z', 1_756_174_039_500_000_000n],
    ['2025-08-26T02:07:19.00004Z', 1_756_174_039_000_040_000n],
    ['1969-12-31T23:59:59.999999999Z', -1n],
  ])('reads %s', (text, instant) => {
    expect(parseNanoseconds(text)).toBe(instant);
  });

  it.each(['2025-8-26T02:07:19Z', '2025-08-26 02:07:19Z', '2025-08-26T02:07:60Z', ''])(
    'is as strict as RFC 3339: %p',
    (text) => {
      expect(codeOf(() => parseNanoseconds(text))).toBe('instant/invalid');
    },
  );
});

describe('nanosecondsOf', () => {
  it('keeps the milliseconds of a Date, before the epoch too', () => {
    expect(nanosecondsOf(new Date(1))).toBe(1_000_000n);
    expect(nanosecondsOf(new Date(-1))).toBe(-1_000_000n);
  });
});
