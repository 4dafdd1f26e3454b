import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatInstant, InstantError, parseInstant } from '../../core/instant.ts';

describe('parseInstant', () => {
  it.each([
    { text: '2025-08-25T18:00:00Z', utc: '2025-08-25T18:00:00.000Z' },
    { text: '2025-08-25t18:00:00z', utc: '2025-08-25T18:00:00.000Z' },
    { text: '2025-08-25T18:00:00+02:00', utc: '2025-08-25T16:00:00.000Z' },
    { text: '2025-12-31T23:30:00-23:59', utc: '2026-01-01T23:29:00.000Z' },
    { text: '2025-08-25T18:00:00.5Z', utc: '2025-08-25T18:00:00.500Z' },
    { text: '2025-08-25T18:00:00.123999999Z', utc: '2025-08-25T18:00:00.123Z' },
    { text: '2024-02-29T00:00:00Z', utc: '2024-02-29T00:00:00.000Z' },
    { text: '1969-12-31T23:59:59.999Z', utc: '1969-12-31T23:59:59.999Z' },
  ])('reads $text', ({ text, utc }) => {
    expect(parseInstant(text).toISOString()).toBe(utc);
  });

  it.each([
    '',
    '2025-08-25',
    '2025-08-25T18:00:00',
    '2025-08-25 18:00:00Z',
    '2025-8-25T18:00:00Z',
    '2025-08-25T18:00Z',
    '2025-08-25T18:00:00.Z',
    '2025-08-25T18:00:00+0200',
    '2025-08-25T18:00:00+24:00',
    '2025-08-25T18:00:00+02:60',
    '2025-02-29T00:00:00Z',
    '2025-02-30T00:00:00Z',
    '2025-04-31T00:00:00+02:00',
    '2025-13-01T00:00:00Z',
    '2025-00-01T00:00:00Z',
    '2025-01-00T00:00:00Z',
    '2025-01-01T24:00:00Z',
    '2025-01-01T23:60:00Z',
    '2025-01-01T23:59:60Z',
    '+02025-01-01T00:00:00Z',
    ' 2025-01-01T00:00:00Z',
    '2025-01-01T00:00:00Z\n',
    '٢٠٢٥-01-01T00:00:00Z',
  ])('refuses %j', (text) => {
    expect(() => parseInstant(text)).toThrow(InstantError);
  });
});

describe('formatInstant', () => {
  it('has no fraction without milliseconds, else three digits', () => {
    expect(formatInstant(new Date(0))).toBe('1970-01-01T00:00:00Z');
    expect(formatInstant(new Date(10))).toBe('1970-01-01T00:00:00.010Z');
  });

  it('comes back as it went in', () => {
    const years = {
      min: new Date('0000-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
    };
    fc.assert(
      fc.property(fc.date({ ...years, noInvalidDate: true }), (instant) => {
        expect(parseInstant(formatInstant(instant))).toEqual(instant);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
