import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { initRepository, ONLINE, PLATFORM, publishVersion } from '../support/small-repository.ts';

const DIRECT = ['--storage', 'file:R', ...ONLINE] as const;

async function setup() {
  const workplace = await makeWorkplace();
  await initRepository(workplace);
  await publishVersion(workplace, '1.0.0');
  await publishVersion(workplace, '1.1.0', '--rollback-to', '1.0.0');
  await writeFile(
    join(workplace.folder, 'waves.toml'),
    "[[waves]]\nstart_after = '1 hour'\nfleet_percentage = 10\n[[waves]]\nstart_after = '1 day'\nfleet_percentage = 100\n",
  );
  return workplace;
}

async function start(workplace: Workplace, ...more: readonly string[]): Promise<string> {
  return workplace.must('rollout', 'start', ...PLATFORM, '--version', '1.1.0', ...DIRECT, ...more);
}

async function manifest(workplace: Workplace) {
  const folder = join(workplace.folder, 'R');
  const snapshot = JSON.parse(
    await readFile(
      join(
        folder,
        'metadata',
        `${JSON.parse(await readFile(join(folder, 'metadata', 'timestamp.json'), 'utf8')).signed.meta['snapshot.json'].version}.snapshot.json`,
      ),
      'utf8',
    ),
  );
  const { version } = snapshot.signed.meta['rollouts.json'];
  const role = JSON.parse(
    await readFile(join(folder, 'metadata', `${version}.rollouts.json`), 'utf8'),
  );
  const { sha256 } = role.signed.targets['manifest.json'].hashes;
  return JSON.parse(await readFile(join(folder, 'targets', `${sha256}.manifest.json`), 'utf8'));
}

describe('tidegate rollout, without a server', () => {
  it('starts, pauses, resumes, advances, and rolls back', async () => {
    await using workplace = await setup();
    const id = await start(workplace, '--policy', 'waves.toml');
    const show = async () =>
      JSON.parse(await workplace.must('rollout', 'show', id, ...DIRECT, '--json'));
    expect(await show()).toMatchObject({ phase: 'scheduled', tide: { seeds: 0 }, counts: null });
    workplace.now = new Date('2026-03-02T00:30:00Z');
    expect(await show()).toMatchObject({ phase: 'rising', tide: { seeds: 102 } });
    await workplace.must('rollout', 'pause', id, '--reason', 'a closer look', '--yes', ...DIRECT);
    expect((await manifest(workplace)).updates).toEqual([]);
    workplace.now = new Date('2026-03-09T00:30:00Z');
    expect(await show()).toMatchObject({ state: 'paused', tide: { seeds: 102 } });
    await workplace.must('rollout', 'resume', id, ...DIRECT);
    expect(await show()).toMatchObject({ phase: 'rising', tide: { seeds: 102 } });
    expect((await manifest(workplace)).updates).toMatchObject([
      { version: '1.1.0', max_version: '1.1.0' },
    ]);
    await workplace.must('rollout', 'advance', id, ...DIRECT);
    expect(await show()).toMatchObject({ phase: 'complete', tide: { seeds: 2048 } });
    await workplace.must(
      'rollout',
      'rollback',
      id,
      '--to',
      '1.0.0',
      '--reason',
      'it burns',
      '--yes',
      ...DIRECT,
    );
    const { updates, migrations } = await manifest(workplace);
    expect(updates).toMatchObject([{ version: '1.0.0', max_version: '1.0.0', waves: {} }]);
    expect(migrations).toEqual({ '(1.0.0, 1.1.0)': [] });
    expect((await show()).history.map(({ verb }: { verb: string }) => verb)).toEqual([
      ...['start', 'pause', 'resume', 'advance', 'roll-back'],
    ]);
    const verified = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(verified.failures).toEqual([]);
  });

  it('schedules a start', async () => {
    await using workplace = await setup();
    const id = await start(workplace, '--start-at', '2026-03-05T00:00:00Z');
    expect(await workplace.must('rollout', 'list', ...DIRECT)).toContain(
      `${id}  aws-k8s-1.32 x86_64 1.1.0  scheduled`,
    );
    workplace.now = new Date('2026-03-05T00:00:00Z');
    expect(await workplace.must('rollout', 'list', ...DIRECT)).toContain('complete  tide 100 %');
  });

  it.each([
    {
      case: 'a version that is not published',
      argv: ['start', ...PLATFORM, '--version', '9.9.9', ...DIRECT],
      code: 1,
    },
    {
      case: 'an unknown rollout',
      argv: ['pause', 'nothing', '--reason', 'x', '--yes', ...DIRECT],
      code: 1,
    },
    { case: 'a pause without a reason', argv: ['pause', 'nothing', ...DIRECT], code: 2 },
    {
      case: 'a policy file that is not there',
      argv: ['start', ...PLATFORM, '--version', '1.1.0', '--policy', 'none.toml', ...DIRECT],
      code: 2,
    },
    {
      case: 'a time that is none',
      argv: ['start', ...PLATFORM, '--version', '1.1.0', '--start-at', 'soon', ...DIRECT],
      code: 2,
    },
    {
      case: 'the wrong key',
      argv: [
        'start',
        ...PLATFORM,
        '--version',
        '1.1.0',
        '--storage',
        'file:R',
        '--online-key',
        'file:K/release.pem',
      ],
      code: 1,
    },
    { case: 'no place to work on', argv: ['list'], code: 2 },
    {
      case: 'two places to work on',
      argv: ['list', '--storage', 'file:R', '--server', 'http://127.0.0.1:1'],
      code: 2,
    },
    { case: 'a change without a key', argv: ['resume', 'nothing', '--storage', 'file:R'], code: 2 },
  ])('refuses $case and leaves the repository as it was', async ({ argv, code }) => {
    await using workplace = await setup();
    const before = await readdir(join(workplace.folder, 'R'), { recursive: true });
    const ran = await workplace.run('rollout', ...argv);
    expect([ran.code, ran.stdout]).toEqual([code, '']);
    expect(ran.stderr).toContain('error: ');
    expect(await readdir(join(workplace.folder, 'R'), { recursive: true })).toEqual(before);
  });

  it('refuses a second rollout, an illegal verb and a way back that is not signed', async () => {
    await using workplace = await setup();
    const id = await start(workplace);
    const again = await workplace.run(
      'rollout',
      'start',
      ...PLATFORM,
      '--version',
      '1.1.0',
      ...DIRECT,
    );
    const resume = await workplace.run('rollout', 'resume', id, ...DIRECT);
    const stranger = await workplace.run(
      'rollout',
      'rollback',
      id,
      '--to',
      '1.1.0',
      '--reason',
      'x',
      '--yes',
      ...DIRECT,
    );
    expect([again.code, resume.code, stranger.code]).toEqual([1, 1, 1]);
    expect(resume.stderr).toContain('legal: pause, retry, withdraw, supersede, roll-back');
    expect(stranger.stderr).toContain('its signed document names 1.0.0');
  });
});

describe('tidegate rollout preview', () => {
  const at = ['--start-at', '2025-08-25T17:00:00Z'] as const;

  it('tells the vertices of the tide', async () => {
    await using workplace = await setup();
    const json = await workplace.must(
      'rollout',
      'preview',
      '--policy',
      'waves.toml',
      ...at,
      '--json',
    );
    expect(JSON.parse(json)).toEqual({
      points: [
        ['2025-08-25T18:00:00Z', 0],
        ['2025-08-26T17:00:00Z', 204],
        ['2025-08-26T17:00:00Z', 2048],
      ],
    });
  });

  it.each([
    { seed: '0', opensAt: '2025-08-25T18:06:45.883Z' },
    { seed: '203', opensAt: '2025-08-26T17:00:00Z' },
    { seed: '2047', opensAt: '2025-08-26T17:00:00Z' },
  ])('tells when seed $seed is let through', async ({ seed, opensAt }) => {
    await using workplace = await setup();
    const json = await workplace.must(
      'rollout',
      'preview',
      '--policy',
      'waves.toml',
      ...at,
      '--seed',
      seed,
      '--json',
    );
    expect(JSON.parse(json)).toEqual({ opensAt });
  });

  it('refuses seed 2048 as a wrong call', async () => {
    await using workplace = await setup();
    const { code } = await workplace.run(
      'rollout',
      'preview',
      '--policy',
      'waves.toml',
      ...at,
      '--seed',
      '2048',
    );
    expect(code).toBe(2);
  });
});
