import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { setup as startServer, TOKEN } from '../server/setup.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { initRepository, ONLINE, PLATFORM, publishVersion } from '../support/small-repository.ts';

const DIRECT = ['--storage', 'file:R', ...ONLINE] as const;
const FILE = `
[[groups]]
name = 'canary'
match = { labels = 'role=canary' }
first = true

[[groups]]
name = 'prod'
delay = '2 days'
windows = [{ days = ['sat'], from = '22:00', to = '23:00', time_zone = 'UTC' }]
`;

async function workplaceWith(file: string): Promise<Workplace> {
  const workplace = await makeWorkplace();
  await writeFile(join(workplace.folder, 'fleet.toml'), file);
  return workplace;
}

async function setup(): Promise<Workplace> {
  const workplace = await workplaceWith(FILE);
  await initRepository(workplace);
  await publishVersion(workplace, '1.0.0');
  await publishVersion(workplace, '1.1.0');
  return workplace;
}

function apply(workplace: Workplace, ...more: readonly string[]): Promise<string> {
  return workplace.must('rollout', 'apply', '-f', 'fleet.toml', ...more);
}

describe('tidegate rollout apply, without a server', () => {
  it('shows the difference in a dry run, applies it once, and then finds none', async () => {
    await using workplace = await setup();
    const shown = await apply(workplace, '--dry-run', '--storage', 'file:R');
    expect(shown.split('\n')).toEqual([
      expect.stringMatching(/^\+ group canary: \{"name":"canary"/),
      expect.stringMatching(/^\+ group prod: \{"name":"prod","delay":"2 days"/),
      '2 changes to apply',
    ]);
    const groups = async () =>
      JSON.parse(await workplace.must('group', 'list', ...DIRECT, '--json'));
    expect(await groups()).toEqual({ groups: [] });
    expect(await apply(workplace, ...DIRECT, '--reason', 'first rules')).toContain(
      '2 changes applied',
    );
    expect(await groups()).toMatchObject({ groups: [{ name: 'canary' }, { name: 'prod' }] });
    expect(await workplace.must('group', 'list', ...DIRECT)).toContain(
      'prod  hosts only a server knows  delay "2 days"',
    );
    expect(JSON.parse(await apply(workplace, ...DIRECT, '--json'))).toEqual({
      changes: [],
      applied: false,
    });
    const verified = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(verified.failures).toEqual([]);
  });

  it('shows the difference to a person first, and undoes nothing that somebody else did meanwhile', async () => {
    await using workplace = await setup();
    await apply(workplace, ...DIRECT);
    await writeFile(join(workplace.folder, 'other.toml'), "[excludes]\na = 'bad disk'");
    const excluding = ['rollout', 'apply', '-f', 'other.toml', '--yes', ...DIRECT];
    workplace.confirm = async () => false;
    await writeFile(join(workplace.folder, 'fleet.toml'), '');
    const declined = await workplace.run('rollout', 'apply', '-f', 'fleet.toml', ...DIRECT);
    expect([declined.code, declined.stdout]).toEqual([1, '']);
    expect(declined.stderr).toContain('- group canary');
    workplace.confirm = async () => (await workplace.run(...excluding)).code === 0;
    const late = await workplace.run('rollout', 'apply', '-f', 'fleet.toml', ...DIRECT);
    expect([late.code, late.stdout]).toEqual([1, '']);
    expect(late.stderr).toContain('are not those any more');
    expect((await workplace.run(...excluding)).stdout).toContain('no change');
  });

  it('keeps the rules when a rollout starts and when a release is amended', async () => {
    await using workplace = await setup();
    await apply(workplace, ...DIRECT);
    await workplace.must('rollout', 'start', ...PLATFORM, '--version', '1.1.0', ...DIRECT);
    await workplace.must(
      ...[
        'release',
        'amend',
        'file:R',
        ...PLATFORM,
        '--version',
        '1.1.0',
        '--rollback-to',
        '1.0.0',
      ],
      ...['--reason', 'r', '--release-key', 'file:K/release.pem', ...ONLINE],
    );
    expect(JSON.parse(await apply(workplace, ...DIRECT, '--json'))).toEqual({
      changes: [],
      applied: false,
    });
  });

  it('explains to a host that is described why it waits', async () => {
    await using workplace = await setup();
    await apply(workplace, ...DIRECT);
    await workplace.must('rollout', 'start', ...PLATFORM, '--version', '1.1.0', ...DIRECT);
    const ask = (...more: readonly string[]) =>
      workplace.must(
        'rollout',
        'why',
        'h',
        ...PLATFORM,
        '--runs',
        '1.0.0',
        ...more,
        '--storage',
        'file:R',
      );
    expect(await ask('--group', 'prod', '--seed', '7')).toMatch(
      /group prod; answer: stay: not-yet[\s\S]*hold  tide[\s\S]*hold  window[\s\S]*eligible: \d/,
    );
    expect(await ask('--label', 'role=canary')).toContain('group canary; answer: forward to 1.1.0');
  });

  it.each([
    { case: 'a file of an unknown kind', argv: ['-f', 'fleet.json', ...DIRECT], code: 2 },
    { case: 'a file that is not there', argv: ['-f', 'none.toml', ...DIRECT], code: 2 },
    { case: 'a file with a fault', argv: ['-f', 'bad.yaml', ...DIRECT], code: 1 },
  ])('refuses $case', async ({ argv, code }) => {
    await using workplace = await workplaceWith(FILE);
    await initRepository(workplace);
    await writeFile(join(workplace.folder, 'bad.yaml'), 'groups: [{name: a, delay: soon}]');
    const result = await workplace.run('rollout', 'apply', ...argv);
    expect(result.code).toBe(code);
  });
});

describe('tidegate rollout apply and why, through a server', () => {
  it('applies what the dry run shows, and asks the server about a host', async () => {
    await using workplace = await workplaceWith(FILE);
    await using server = await startServer();
    workplace.env['TIDEGATE_TOKEN'] = TOKEN;
    workplace.env['TIDEGATE_SERVER'] = server.url;
    expect(await apply(workplace, '--dry-run')).toContain('2 changes to apply');
    expect(server.context.fleet.view.fleet.history).toEqual([]);
    expect(await apply(workplace, '--reason', 'first')).toContain('2 changes applied');
    expect(await apply(workplace)).toContain('no change');
    expect(server.context.fleet.view.fleet.history).toMatchObject([{ reason: 'first' }]);
    await server.checkIn({ id: 'host-1', group: 'prod' });
    expect(await workplace.must('rollout', 'why', 'host-1')).toContain(
      'in group prod; answer: stay: up-to-date',
    );
  });

  it('undoes nothing that somebody else did since the difference was shown', async () => {
    await using workplace = await workplaceWith(FILE);
    await using server = await startServer();
    workplace.env['TIDEGATE_TOKEN'] = TOKEN;
    workplace.env['TIDEGATE_SERVER'] = server.url;
    workplace.confirm = async () => {
      const { status } = await server.put('/api/v1/fleet', { rules: { excludes: { a: 'b' } } });
      return status === 200;
    };
    const late = await workplace.run('rollout', 'apply', '-f', 'fleet.toml');
    expect([late.code, late.stderr]).toEqual([1, expect.stringContaining('not those any more')]);
    expect([...server.context.fleet.view.fleet.rules.excludes.keys()]).toEqual(['a']);
  });
});
