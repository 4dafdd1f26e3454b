import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { makeWorkplace } from '../support/cli.ts';

const POLICY = `
[halt]
failed_percentage = 10
minimum = 20
roll_back_to = '1.0.0'
[[waves]]
start_after = '1 hour'
fleet_percentage = 50
[[waves]]
start_after = '1 day'
fleet_percentage = 100
`;

const Result = z.object({
  ...{ state: z.string(), hosts: z.int(), sentBack: z.int(), endedAtMs: z.number() },
  largestStep: z.object({ hosts: z.int(), atMs: z.int() }),
  history: z.array(z.object({ verb: z.string() })),
  ...{ seconds: z.number(), peakRssMiB: z.int() },
});

async function workplace() {
  const place = await makeWorkplace();
  await writeFile(join(place.folder, 'waves.toml'), POLICY);
  const simulate = (...more: readonly string[]) =>
    place.run('rollout', 'simulate', '--policy', 'waves.toml', '--hosts', '3000', ...more);
  return { place, simulate, [Symbol.asyncDispose]: () => place[Symbol.asyncDispose]() };
}

describe('tidegate rollout simulate', () => {
  it('draws the curve and says what happened, in words', async () => {
    await using place = await workplace();
    const { code, stdout } = await place.simulate();
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines[2]).toMatch(/^ +12 hours +23\.9 % +#{10} .* under way, \d+ updated, 0 failed$/);
    expect(lines.at(-2)).toMatch(/^largest step: 1\d{3} hosts .* at 1 day$/);
    expect(lines.at(-1)).toMatch(/^it ends running after /);
  });

  it('says when it would halt, and that the hosts would go back', async () => {
    await using place = await workplace();
    const { stdout } = await place.simulate('--failing', '30', '--json');
    const lines = stdout.trim().split('\n');
    const result = Result.parse(JSON.parse(lines.at(-1) ?? ''));
    expect(result).toMatchObject({ state: 'rolled-back', hosts: 3000 });
    expect(result.history.map(({ verb }) => verb)).toEqual(['halt', 'roll-back']);
    expect(result.sentBack).toBeGreaterThan(0);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ atMs: 0, tide: 0, updated: 0 });
  });

  it('is the same every time, and another for another seed', async () => {
    await using place = await workplace();
    const run = async (seed: string) => {
      const { stdout } = await place.simulate('--failing', '3', '--seed', seed);
      return stdout;
    };
    const first = await run('7');
    expect(await run('7')).toBe(first);
    expect(await run('8')).not.toBe(first);
  });

  it.each([
    { case: 'no hosts', more: ['--hosts', '0'], says: '--hosts must be a whole number from 1' },
    { case: 'half a host', more: ['--hosts', '1.5'], says: "got '1.5'" },
    { case: 'more than all failing', more: ['--failing', '101'], says: '--failing must be' },
    { case: 'no time between polls', more: ['--poll', '0 seconds'], says: '--poll must be longer' },
    { case: 'a chart without steps', more: ['--every', '0 days'], says: '--every must be longer' },
    {
      case: 'shares above all',
      more: ['--failing', '60', '--silent', '60'],
      says: 'at most 100 together',
    },
    { case: 'a duration in moons', more: ['--limit', '3 moons'], says: "--limit must be like '3" },
    { case: 'a file that is not there', more: ['--policy', 'x.toml'], says: 'cannot read x.toml' },
  ])('refuses $case', async ({ more, says }) => {
    await using place = await workplace();
    const { code, stdout, stderr } = await place.simulate(...more);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(says);
  });
});
