import { describe, expect, it } from '@jest/globals';
import { DurationError, formatDuration, parseDuration } from '../../core/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['0 seconds', 0],
    ['1 second', 1000],
    ['90 minutes', 5_400_000],
    ['in 4 hours', 14_400_000],
    ['1 day', 86_400_000],
    ['2 weeks', 1_209_600_000],
    ['  in   2\tweeks ', 1_209_600_000],
    ['3653 days', 315_619_200_000],
  ])('reads %j', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    '',
    'in',
    'hours',
    '0 hou',
    'in 1 month',
    '1.5 hours',
    '-1 hour',
    '+1 hour',
    '4hours',
    'in in 4 hours',
    '4 hours later',
    '1 constructor',
    '3654 days',
    '4294967295 weeks',
    '99999999999 seconds',
  ])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(DurationError);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0 seconds'],
    [999, '0 seconds'],
    [1000, '1 second'],
    [61_500, '61 seconds'],
    [5_400_000, '90 minutes'],
    [86_400_000, '1 day'],
    [518_400_000, '6 days'],
    [1_209_600_000, '2 weeks'],
  ])('says %d ms as %j', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
