import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { NOW, PLATFORM, setup, TOKEN } from '../server/setup.ts';
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

const FLEET = `
[[groups]]
name = 'canary'
match = { labels = 'role=canary' }
first = true

[[groups]]
name = 'prod'
delay = '1 day'
concurrency = [{ limit = 100, per = 'zone' }]
`;

const GroupResult = z.object({
  ...{ group: z.string().nullable(), hosts: z.int(), updated: z.int() },
  held: z.record(z.string(), z.int()),
  largestStep: z.object({ hosts: z.int(), atMs: z.int() }),
});

function groupsOf(stdout: string) {
  const [last = ''] = stdout.trim().split('\n').slice(-1);
  return z.object({ groups: z.array(GroupResult) }).parse(JSON.parse(last)).groups;
}

describe('tidegate rollout simulate --fleet', () => {
  async function withFleet() {
    const { place, simulate } = await workplace();
    await writeFile(join(place.folder, 'fleet.toml'), FLEET);
    const ask = (...more: readonly string[]) => simulate('--fleet', 'fleet.toml', ...more);
    return { ask, [Symbol.asyncDispose]: () => place[Symbol.asyncDispose]() };
  }

  it('spreads the hosts over the groups as it is told, each under its own rules', async () => {
    await using place = await withFleet();
    const share = ['--share', 'canary=1', 'prod=80', '--spread', 'zone=3'];
    const groups = groupsOf((await place.ask(...share, '--json')).stdout);
    expect(groups).toMatchObject([
      { group: 'canary', hosts: 30, updated: 30, largestStep: { hosts: 30, atMs: 3_600_000 } },
      { group: 'prod', hosts: 2400, updated: 2400 },
      { group: null, hosts: 570, updated: 570 },
    ]);
    const { stdout } = await place.ask(...share);
    const lines = stdout.split('\n');
    const chartOf = (title: string) => lines.slice(lines.indexOf(title) + 1);
    expect(chartOf('group canary: 30 hosts')[1]).toMatch(
      /6 hours +100\.0 % +#{40} +0 under way, 30/,
    );
    expect(chartOf('group prod: 2400 hosts')[1]).toMatch(/6 hours +0\.0 % .*, 0 updated/);
  });

  it.each([
    { case: 'no share of any group', more: [], says: 'say with --share how many hosts' },
    { case: 'a group that is not there', more: ['--share', 'dev=1'], says: "no group 'dev'" },
    {
      case: 'a share without a number',
      more: ['--share', 'prod'],
      says: "like prod=80, got 'prod'",
    },
    { case: 'a share twice', more: ['--share', 'prod=1', 'prod=2'], says: 'prod has one share' },
    {
      case: 'more than all',
      more: ['--share', 'prod=60', 'canary=41'],
      says: '--share must be at most 100 percent together',
    },
    {
      case: 'a label without values',
      more: ['--share', 'prod=1', '--spread', 'zone=0'],
      says: "--spread zone must be a whole number from 1 to 1000000, got '0'",
    },
    {
      case: 'a release for hosts that are not there',
      more: ['--share', 'prod=1', '--version', '1.0.0'],
      says: 'give them without --hosts',
    },
  ])('refuses $case', async ({ more, says }) => {
    await using place = await withFleet();
    const { code, stdout, stderr } = await place.ask(...more);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(says);
  });
});

describe('tidegate rollout simulate --server', () => {
  const RELEASE = ['--variant', PLATFORM.variant, '--arch', PLATFORM.arch, '--version', '1.1.0'];

  /** A server that knows 1200 hosts of the platform, more than one page, and the command line. */
  async function realOnes() {
    const resources = new AsyncDisposableStack();
    const server = resources.use(await setup());
    const place = resources.use(await makeWorkplace());
    Object.assign(place.env, { TIDEGATE_SERVER: server.url, TIDEGATE_TOKEN: TOKEN });
    place.now = NOW;
    await writeFile(join(place.folder, 'waves.toml'), POLICY.replace(/\[halt\][^[]*/, ''));
    await writeFile(join(place.folder, 'fleet.toml'), FLEET);
    await server.state.touchHosts(
      Array.from({ length: 1200 }, (_, index) => ({
        ...{ ...PLATFORM, id: `h-${index}`, seed: index % 2048, state: 'idle', seenAt: NOW },
        version: index < 7 ? '1.1.0' : '1.0.0',
        group: index < 900 ? 'prod' : null,
        labels: index >= 1100 ? { role: 'canary' } : { zone: 'a' },
      })),
    );
    const simulate = (...more: readonly string[]) =>
      place.run('rollout', 'simulate', '--policy', 'waves.toml', ...more);
    return { server, place, simulate, [Symbol.asyncDispose]: () => resources.disposeAsync() };
  }

  it('takes the hosts that the server knows, and its rules', async () => {
    await using real = await realOnes();
    await real.place.must('rollout', 'apply', '-f', 'fleet.toml');
    const { stdout } = await real.simulate(...RELEASE, '--json');
    expect(groupsOf(stdout)).toMatchObject([
      { group: 'canary', hosts: 100, updated: 100, largestStep: { hosts: 100, atMs: 3_600_000 } },
      { group: 'prod', hosts: 900, updated: 893, held: { 'up-to-date': 7 } },
      { group: null, hosts: 200, updated: 200 },
    ]);
  });

  it('tries other rules on them before they are applied', async () => {
    await using real = await realOnes();
    expect(groupsOf((await real.simulate(...RELEASE, '--json')).stdout)).toEqual([]);
    const tried = groupsOf(
      (await real.simulate(...RELEASE, '--fleet', 'fleet.toml', '--json')).stdout,
    );
    expect(tried.map(({ hosts }) => hosts)).toEqual([100, 900, 200]);
  });

  it.each([
    { case: 'no release', more: [], code: 2, says: 'give --hosts <number>, or the release' },
    {
      case: 'a release that is not published',
      more: [...RELEASE, '--version', '7.0.0'],
      code: 2,
      says: 'no release 7.0.0 is published for it',
    },
    {
      case: 'a platform that no host is of',
      more: ['--variant', 'metal', '--arch', 'x86_64', '--version', '1.1.0'],
      code: 2,
      says: 'no release 1.1.0 is published',
    },
    {
      case: 'shares of real hosts',
      more: [...RELEASE, '--share', 'prod=1'],
      code: 2,
      says: '--share and --spread need --hosts',
    },
  ])('refuses $case', async ({ more, code, says }) => {
    await using real = await realOnes();
    const ran = await real.simulate(...more);
    expect([ran.code, ran.stdout]).toEqual([code, '']);
    expect(ran.stderr).toContain(says);
  });

  it('refuses a fleet of which no host is known, and a way back that the release does not permit', async () => {
    await using real = await realOnes();
    await writeFile(join(real.place.folder, 'back.toml'), POLICY.replace("'1.0.0'", "'1.0.1'"));
    const back = await real.simulate(...RELEASE, '--policy', 'back.toml');
    expect([back.code, back.stderr]).toEqual([
      1,
      expect.stringContaining('may not go back to 1.0.1'),
    ]);
    await using bare = await setup();
    const none = await real.simulate(...RELEASE, '--server', bare.url);
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringContaining('knows no host of variant'),
    ]);
  });
});
