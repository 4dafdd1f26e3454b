import { describe, expect, it } from '@jest/globals';
import { WaveError } from '../../core/wave-errors.ts';
import { parseWavePolicy, resolvePolicy } from '../../core/wave-file.ts';
import { DAY_MS, DEFAULT_WAVES, gateOf, HOUR_MS } from '../support/rollouts.ts';

const START = new Date('2025-08-25T17:00:00Z');

function wave(lines: Record<string, unknown>): string {
  const entries = Object.entries(lines).map(([key, value]) => `${key} = ${String(value)}`);
  return ['[[waves]]', ...entries, ''].join('\n');
}

function waves(...steps: readonly (readonly [string, number, string?])[]): string {
  return steps
    .map(([after, percentage, more]) =>
      [wave({ start_after: `'${after}'`, fleet_percentage: percentage }), more ?? ''].join(''),
    )
    .join('\n');
}

function codeOf(toml: string): string {
  try {
    resolvePolicy(parseWavePolicy(toml), START);
  } catch (error) {
    if (error instanceof WaveError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('parseWavePolicy', () => {
  it('reads the default policy of Bottlerocket', () => {
    const toml = waves(
      ['1 hour', 1],
      ['4 hours', 5],
      ['1 day', 15],
      ['2 days', 40],
      ['4 days', 60],
      ['5 days', 90],
      ['6 days', 100],
    );
    expect(resolvePolicy(parseWavePolicy(toml), START)).toEqual(DEFAULT_WAVES);
  });

  it('reads minutes and seconds, which an emergency needs', () => {
    const toml = waves(['0 seconds', 5], ['90 seconds', 20], ['in 30 minutes', 100]);
    const { waves: resolved } = resolvePolicy(parseWavePolicy(toml), START);
    expect(resolved.map(({ opensAtMs }) => opensAtMs)).toEqual([0, 90_000, HOUR_MS / 2]);
  });

  it.each(["'2025-08-26T19:00:00+02:00'", '2025-08-26T17:00:00Z'])(
    'takes an opening at an instant, %s',
    (startAfter) => {
      const toml = wave({ start_after: startAfter, fleet_percentage: 100 });
      const { waves: resolved } = resolvePolicy(parseWavePolicy(toml), START);
      expect(resolved[0]?.opensAtMs).toBe(DAY_MS);
    },
  );

  it('reads gates and the ramp of the last wave', () => {
    const toml = waves(
      ['1 hour', 10, "gate = { soak = '2 hours' }\n"],
      ['1 day', 60, "gate = 'approval'\nramp = '6 hours'\n"],
    );
    expect(resolvePolicy(parseWavePolicy(toml), START).waves).toEqual([
      {
        opensAtMs: HOUR_MS,
        percentage: 10,
        gate: gateOf({ soakMs: 2 * HOUR_MS }),
        rampMs: 0,
      },
      {
        opensAtMs: DAY_MS,
        percentage: 60,
        gate: gateOf({ needsApproval: true }),
        rampMs: 6 * HOUR_MS,
      },
    ]);
  });

  it('reads a gate with several conditions, a halt and how long an outcome may take', () => {
    const gate =
      "gate = { soak = '1 day', success_percentage = 95, minimum = 20, approval = true }\n";
    const halt = "[halt]\nfailed_percentage = 5\nminimum = 10\nroll_back_to = '1.0.0'\n";
    const toml = `outcome_within = '2 hours'\n${halt}${waves(['1 hour', 100, gate])}`;
    expect(resolvePolicy(parseWavePolicy(toml), START)).toEqual({
      waves: [
        {
          opensAtMs: HOUR_MS,
          percentage: 100,
          gate: {
            soakMs: DAY_MS,
            success: { percentage: 95, minimum: 20 },
            needsApproval: true,
          },
          rampMs: 0,
        },
      ],
      halt: { percentage: 5, minimum: 10, rollBackTo: '1.0.0' },
      outcomeWithinMs: 2 * HOUR_MS,
    });
  });

  const gated = (gate: string) => waves(['1 hour', 100, `gate = ${gate}\n`]);
  const halting = (rule: string) => `[halt]\n${rule}\n${waves(['1 hour', 100])}`;

  it.each([
    { case: 'a gate that asks for nothing', toml: gated('{}'), code: 'wave/gate' },
    {
      case: 'a gate with approval = false',
      toml: gated('{ approval = false }'),
      code: 'wave/gate',
    },
    {
      case: 'a success_percentage without its minimum',
      toml: gated('{ success_percentage = 95 }'),
      code: 'wave/gate',
    },
    { case: 'a minimum of nothing', toml: gated('{ minimum = 5 }'), code: 'wave/gate' },
    {
      case: 'a success_percentage of 0',
      toml: gated('{ success_percentage = 0, minimum = 5 }'),
      code: 'wave/gate',
    },
    {
      case: 'a success_percentage above 100',
      toml: gated('{ success_percentage = 101, minimum = 5 }'),
      code: 'wave/gate',
    },
    {
      case: 'half a host as the minimum',
      toml: gated('{ success_percentage = 95, minimum = 0.5 }'),
      code: 'wave/gate',
    },
    { case: 'an unknown key of a gate', toml: gated('{ moon = true }'), code: 'wave/unknown-key' },
    {
      case: 'a halt without a minimum',
      toml: halting('failed_percentage = 5'),
      code: 'wave/format',
    },
    {
      case: 'a halt at 0 percent',
      toml: halting('failed_percentage = 0\nminimum = 5'),
      code: 'wave/halt',
    },
    {
      case: 'a halt at no host',
      toml: halting('failed_percentage = 5\nminimum = 0'),
      code: 'wave/halt',
    },
    {
      case: 'a way back that is no version',
      toml: halting("failed_percentage = 5\nminimum = 5\nroll_back_to = 'before'"),
      code: 'wave/halt',
    },
    {
      case: 'an outcome within no time',
      toml: `outcome_within = '0 seconds'\n${waves(['1 hour', 100])}`,
      code: 'wave/halt',
    },
    { case: 'no TOML', toml: '[[waves', code: 'wave/format' },
    { case: 'no waves', toml: '', code: 'wave/none' },
    {
      case: 'an unknown key of a wave',
      toml: waves(['1 hour', 100, 'speed = 3\n']),
      code: 'wave/unknown-key',
    },
    {
      case: 'an unknown key beside the waves',
      toml: `speed = 3\n${waves(['1 hour', 100])}`,
      code: 'wave/unknown-key',
    },
    {
      case: 'a wave without a percentage',
      toml: wave({ start_after: "'1 hour'" }),
      code: 'wave/format',
    },
    { case: 'a percentage of 0', toml: waves(['1 hour', 0]), code: 'wave/percentage' },
    { case: 'a percentage of 101', toml: waves(['1 hour', 101]), code: 'wave/percentage' },
    { case: 'half a percent', toml: waves(['1 hour', 0.5]), code: 'wave/percentage' },
    {
      case: 'the same percentage twice',
      toml: waves(['1 hour', 50], ['2 hours', 50]),
      code: 'wave/percentage-order',
    },
    {
      case: 'a falling percentage',
      toml: waves(['1 hour', 50], ['2 hours', 40]),
      code: 'wave/percentage-order',
    },
    {
      case: 'two waves at the same time',
      toml: waves(['1 hour', 50], ['60 minutes', 100]),
      code: 'wave/unordered',
    },
    {
      case: 'waves out of order',
      toml: waves(['2 hours', 50], ['1 hour', 100]),
      code: 'wave/unordered',
    },
    {
      case: 'a duration after a later instant',
      toml: waves(['2025-08-27T17:00:00Z', 50], ['1 day', 100]),
      code: 'wave/unordered',
    },
    {
      case: 'an instant before the start',
      toml: waves(['2025-08-24T17:00:00Z', 100]),
      code: 'wave/start-after',
    },
    {
      case: 'a time without an offset',
      toml: wave({ start_after: '2025-08-27T17:00:00', fleet_percentage: 100 }),
      code: 'wave/start-after',
    },
    { case: 'a duration in months', toml: waves(['in 1 month', 100]), code: 'wave/start-after' },
    { case: 'a duration without a number', toml: waves(['hours', 100]), code: 'wave/start-after' },
    { case: 'a negative duration', toml: waves(['-1 hour', 100]), code: 'wave/start-after' },
    { case: 'an unknown gate', toml: waves(['1 hour', 100, "gate = 'moon'\n"]), code: 'wave/gate' },
    {
      case: 'a soak that is no duration',
      toml: waves(['1 hour', 100, "gate = { soak = 'long' }\n"]),
      code: 'wave/gate',
    },
    {
      case: 'a ramp before the last wave',
      toml: waves(['1 hour', 50, "ramp = '1 hour'\n"], ['2 hours', 100]),
      code: 'wave/ramp',
    },
    {
      case: 'a ramp that is no duration',
      toml: waves(['1 hour', 50, "ramp = 'slow'\n"]),
      code: 'wave/ramp',
    },
  ])('refuses $case', ({ toml, code }) => {
    expect(codeOf(toml)).toBe(code);
  });

  it('names wave, rule and value in the message', () => {
    const toml = waves(['1 hour', 50], ['2 hours', 140]);
    expect(() => parseWavePolicy(toml)).toThrow(
      'wave 2: fleet_percentage must be a whole number from 1 to 100, got 140',
    );
  });
});
