import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatNanoseconds } from '../../../core/bottlerocket/nanoseconds.ts';
import { parseRelaxedTime } from '../../../core/bottlerocket/relaxed-time.ts';
import { at, codeOf } from './updog-samples.ts';

describe('parseRelaxedTime', () => {
  // Each was read by chrono 0.4.38 with the result given here.
  it.each([
    ['2019-08-06T15:00:00Z', '2019-08-06T15:00:00Z'],
    ['2019-8-06T15:00:00Z', '2019-08-06T15:00:00Z'],
    ['2019-8-6T5:0:7Z', '2019-08-06T05:00:07Z'],
    ['99-01-01T00:00:00Z', '0099-01-01T00:00:00Z'],
    ['0-1-1T0:0:0Z', '0000-01-01T00:00:00Z'],
    ['-1-01-01T00:00:00Z', '-0001-01-01T00:00:00Z'],
    ['+0000000002019-01-01T00:00:00Z', '2019-01-01T00:00:00Z'],
    ['+12345-01-01T00:00:00Z', '+12345-01-01T00:00:00Z'],
    ['2019-08-06t15:00:00z', '2019-08-06T15:00:00Z'],
    ['2019-08-06 15:00:00 UTC', '2019-08-06T15:00:00Z'],
    ['2019-08-06T15:00:00utc', '2019-08-06T15:00:00Z'],
    [' 2019 - 1 - 1 0 : 0 : 0 Z ', '2019-01-01T00:00:00Z'],
    ['2019-01-01T\u2003 00:00:00\u0085Z', '2019-01-01T00:00:00Z'],
    ['2019-08-06T15:00:00+02:00', '2019-08-06T13:00:00Z'],
    ['2019-08-06T15:00:00+0200', '2019-08-06T13:00:00Z'],
    ['2019-08-06T15:00:00 -02 : 30', '2019-08-06T17:30:00Z'],
    ['2019-08-06T15:00:00\u221202:30', '2019-08-06T17:30:00Z'],
    ['2019-01-01T00:00:00+23:59', '2018-12-31T00:01:00Z'],
    ['2019-01-01T00:00:00.5Z', '2019-01-01T00:00:00.500Z'],
    ['2019-01-01T00:00:00.1234567899Z', '2019-01-01T00:00:00.123456789Z'],
    ['2020-02-29T00:00:00Z', '2020-02-29T00:00:00Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00Z'],
    ['-262143-01-01T00:00:00Z', '-262143-01-01T00:00:00Z'],
    ['+262142-12-31T23:59:59Z', '+262142-12-31T23:59:59Z'],
  ])('reads %p', (text, expected) => {
    expect(formatNanoseconds(parseRelaxedTime(text))).toBe(expected);
  });

  it.each([
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z'],
    ['2019-01-01T00:00:60.5Z', '2019-01-01T00:01:00Z'],
  ])('takes a leap second, %p, as the next instant that any clock shows', (text, expected) => {
    expect(formatNanoseconds(parseRelaxedTime(text))).toBe(expected);
  });

  it.each([
    ['nothing', ''],
    ['no zone', '2019-01-01T00:00:00'],
    ['no seconds', '2019-01-01T00:00Z'],
    ['no time', '2019-01-01'],
    ['a zone of hours only', '2019-01-01T00:00:00+01'],
    ['a zone of a whole day', '2019-01-01T00:00:00+24:00'],
    ['a zone of 60 minutes', '2019-01-01T00:00:00+01:60'],
    ['another zone by name', '2019-01-01T00:00:00 GMT'],
    ['30 February', '2019-02-30T00:00:00Z'],
    ['29 February 2019', '2019-02-29T00:00:00Z'],
    ['29 February 1900', '1900-02-29T00:00:00Z'],
    ['month 13', '2019-13-01T00:00:00Z'],
    ['month 0', '2019-00-01T00:00:00Z'],
    ['day 0', '2019-01-00T00:00:00Z'],
    ['hour 24', '2019-01-01T24:00:00Z'],
    ['minute 60', '2019-01-01T00:60:00Z'],
    ['second 61', '2019-01-01T00:00:61Z'],
    ['a point without digits', '2019-01-01T00:00:00.Z'],
    ['a year of five digits without a sign', '20190-01-01T00:00:00Z'],
    ['a day of three digits', '2019-01-001T00:00:00Z'],
    ['a tab between day and hour', '2019-01-01\t00:00:00Z'],
    ['a byte order mark', '\ufeff2019-01-01T00:00:00Z'],
    ['a word behind it', '2019-01-01T00:00:00Zulu'],
    ['digits of another script', '\u0662019-01-01T00:00:00Z'],
    ['the year after the last', '+262143-01-01T00:00:00Z'],
    ['the year before the first', '-262144-12-31T23:59:59Z'],
    ['a zone that leads before the first year', '-262143-01-01T00:00:00+00:01'],
    ['a zone that leads behind the last year', '+262142-12-31T23:59:59-00:01'],
    ['a zone that leads back from the year before the first', '-262144-12-31T23:59:59-00:01'],
    ['a year beyond any number', `+${'9'.repeat(400)}-01-01T00:00:00Z`],
  ])('refuses %s', (_case, text) => {
    expect(codeOf(() => parseRelaxedTime(text))).toBe('bottlerocket/time');
  });

  it('agrees with Date on every RFC 3339 time of our era', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true, min: new Date(0) }), (date) => {
        const text = date.toISOString();
        fc.pre(!text.startsWith('+'));
        expect(parseRelaxedTime(text)).toBe(at(text));
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it('needs no more than linear time for long runs of spaces', () => {
    const spaces = ' '.repeat(200_000);
    expect(codeOf(() => parseRelaxedTime(`2019-01-01T00${spaces}x`))).toBe('bottlerocket/time');
    expect(codeOf(() => parseRelaxedTime(`2019-01-01T00:00:00${spaces}x`))).toBe(
      'bottlerocket/time',
    );
  });
});
