import { describe, expect, it } from '@jest/globals';
import { parseUpdateWaves, setWaves } from '../../../core/bottlerocket/set-waves.ts';
import { codeOf as codeOfAction, START } from './updog-samples.ts';

const HOUR = 3_600_000_000_000n;

function policy(...steps: readonly (readonly [startAfter: string, percentage: number | string])[]) {
  return steps
    .map(
      ([startAfter, percentage]) =>
        `[[waves]]\nstart_after = '${startAfter}'\nfleet_percentage = ${percentage}\n`,
    )
    .join('');
}

function codeOf(toml: string): string {
  return codeOfAction(() => setWaves(parseUpdateWaves(toml), START));
}

describe('setWaves', () => {
  it('opens each wave at the share that the one before reached', () => {
    const toml = policy(['1 hour', 1], ['1 day', 10], ['2 days', 50], ['3 weeks', 100]);
    expect(setWaves(parseUpdateWaves(toml), START)).toEqual([
      [0, START + HOUR],
      [20, START + 24n * HOUR],
      [204, START + 48n * HOUR],
      [1024, START + 504n * HOUR],
    ]);
  });

  it('computes every bound as 32-bit floats do', () => {
    for (let percentage = 1; percentage <= 100; percentage += 1) {
      const share = Math.fround(Math.fround(percentage) / Math.fround(100));
      const bound = Math.trunc(Math.fround(share * 2048));
      const [, second] = setWaves(
        parseUpdateWaves(policy(['1 hour', percentage], ['2 hours', 100])),
        START,
      );
      expect(second).toEqual([bound, START + 2n * HOUR]);
    }
  });

  it('means everyone by a last wave under 100 percent', () => {
    const toml = policy(['1 hour', 50], ['2 hours', 60]);
    expect(setWaves(parseUpdateWaves(toml), START)).toEqual(
      setWaves(parseUpdateWaves(policy(['1 hour', 50], ['2 hours', 100])), START),
    );
  });

  it('lets the later of two equal percentages win without a word', () => {
    const toml = policy(['1 hour', 50], ['2 hours', 50], ['3 hours', 100]);
    expect(setWaves(parseUpdateWaves(toml), START)).toEqual([
      [0, START + HOUR],
      [1024, START + 3n * HOUR],
    ]);
  });

  it('has no waves for an empty list, and passes over unknown keys', () => {
    expect(setWaves(parseUpdateWaves('waves = []\nspeed = 3'), START)).toEqual([]);
    expect(codeOf(`${policy(['1 hour', 100])}gate = 'approval'\n`)).toBe('no error');
  });

  it.each([
    'in 0 hours',
    'in 1 hour',
    'in 5000000 hours',
    'in 0 days',
    '5000000 days',
    '0 weeks',
    'in 5000000 weeks',
    '30 minutes',
    '  in\t+7  days ',
  ])('takes the offset %j', (startAfter) => {
    expect(codeOf(policy([startAfter, 100]))).toBe('no error');
  });

  it.each([
    '',
    'in',
    '0 hou',
    'hours',
    'in 1 month',
    'at 1 hour',
    'in in 1 hour',
    '1.5 hours',
    '-1 hour',
    '4294967296 hours',
    '90 seconds',
    '2026-03-01T12:00:00Z',
    '1 hourss',
  ])('refuses the offset %j, as pubsys does', (startAfter) => {
    expect(codeOf(policy([startAfter, 100]))).toBe('bottlerocket/offset');
  });

  it.each([
    {
      case: 'a percentage of 0',
      toml: policy(['1 hour', 0]),
      code: 'bottlerocket/percentage',
    },
    {
      case: 'a percentage of 101',
      toml: policy(['1 hour', 101]),
      code: 'bottlerocket/percentage',
    },
    {
      case: 'a negative percentage',
      toml: policy(['1 hour', -1]),
      code: 'bottlerocket/wave-format',
    },
    {
      case: 'a percentage of 2^32',
      toml: policy(['1 hour', '4294967296']),
      code: 'bottlerocket/wave-format',
    },
    { case: 'a float', toml: policy(['1 hour', '5.0']), code: 'bottlerocket/wave-format' },
    { case: 'no TOML', toml: '[[waves', code: 'bottlerocket/wave-format' },
    { case: 'no waves', toml: '', code: 'bottlerocket/wave-format' },
    {
      case: 'times out of order',
      toml: policy(['2 hours', 50], ['1 hour', 100]),
      code: 'bottlerocket/unordered',
    },
    {
      case: 'the same time twice',
      toml: policy(['1 hour', 50], ['60 minutes', 100]),
      code: 'bottlerocket/unordered',
    },
    {
      case: 'falling percentages, by the order of times',
      toml: policy(['1 hour', 50], ['2 hours', 20], ['3 hours', 100]),
      code: 'bottlerocket/unordered',
    },
    {
      case: 'an offset past the end of the calendar, where pubsys panics',
      toml: policy(['4294967295 weeks', 100]),
      code: 'bottlerocket/time-panic',
    },
  ])('refuses $case', ({ toml, code }) => {
    expect(codeOf(toml)).toBe(code);
  });
});
