import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { killAtEveryCall } from '../support/kill-process.ts';
import type { ProcessOrder } from '../support/kill-process.ts';
import { initRepository, ONLINE, PLATFORM, publishVersion } from '../support/small-repository.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const NEW = 'file:K/new.pem';
const NAMES = ['link', 'rename'] as const;
const PEOPLE = [
  ...['--sign-with', 'file:K/root1.pem', 'file:K/root2.pem', 'file:K/targets.pem'],
  ...['--online-key', NEW],
];

async function setup(now = new Date()): Promise<Workplace> {
  const workplace = await makeWorkplace();
  workplace.now = now;
  await initRepository(workplace);
  await publishVersion(workplace, '1.0.0');
  await workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/new.pem');
  return workplace;
}

/** Kills it at every point, and says how often and how often a root was out without its timestamp. */
async function kill(start: Workplace, order: ProcessOrder): Promise<readonly [number, number]> {
  const { undisturbed, deaths } = await killAtEveryCall(start, order);
  const { before, end } = undisturbed;
  const gap = JSON.stringify('repository/half-applied');
  for (const death of deaths) {
    expect([before, gap, end.replace(/ null$/, '')]).toContain(death.seen);
    expect(death.torn).toEqual([]);
    expect(death.end).toBe(end);
    const errors = death.again.stderr.match(/^tidegate: error: /gm) ?? [];
    expect(errors).toHaveLength(death.again.code === 0 ? 0 : 1);
    if (death.again.code !== 0) expect(end).toBe(`${death.seen} null`);
    expect(death.read).toEqual([expect.stringContaining('rollouts')]);
  }
  return [deaths.length, deaths.filter(({ seen }) => seen === gap).length];
}

describe('a process that is killed where it makes something durable or gives it its name', () => {
  it('repo init makes the same repository in the end', async () => {
    await using workplace = await setup();
    const argv = [
      ...['repo', 'init', 'file:N', '--root-key', 'file:K/root1.pem', '--root-key'],
      ...['file:K/root2.pem', '--targets-key', 'file:K/targets.pem', ...ONLINE],
      ...['--release-key', 'aws-k8s-1.32:x86_64=file:K/release.pem'],
    ];
    const calls = ['link', 'rename', 'sync'] as const;
    const [kills] = await kill(workplace, { argv, repository: 'N', calls });
    expect(kills).toBe(33);
  }, 300_000);

  it('root apply publishes the proposal once', async () => {
    await using workplace = await setup();
    await workplace.must(
      ...['repo', 'root', 'propose', 'file:R', '--add-key', `root=${NEW}`, '--reason', 'r'],
      ...['--sign-with', 'file:K/root1.pem', 'file:K/root2.pem', '--out', 'p.json'],
    );
    const argv = ['repo', 'root', 'apply', 'file:R', '--in', 'p.json', ...ONLINE];
    const calls = [...NAMES, 'unlink'] as const;
    const [kills, gaps] = await kill(workplace, { argv, calls });
    expect([kills, gaps]).toEqual([6, 0]);
  });

  it.each([
    { command: ['rotate', 'online', 'file:R', '--new-key', NEW], kills: 12 },
    { command: ['recover', 'file:R', '--new-online-key', NEW], kills: 12 },
  ])(
    'repo $command.0 is finished by the same command',
    async ({ command, kills }) => {
      await using workplace = await setup();
      const argv = ['repo', ...command, '--reason', 'r', ...PEOPLE];
      const killed = await kill(workplace, { argv, calls: NAMES });
      expect(killed[0]).toBe(kills);
      expect(killed[1]).toBeGreaterThanOrEqual(1);
    },
    300_000,
  );

  it('repo mirror makes the same copy in the end', async () => {
    await using workplace = await setup();
    const argv = ['repo', 'mirror', 'file:R', 'file:M'];
    const [kills] = await kill(workplace, { argv, repository: 'M', calls: NAMES });
    expect(kills).toBe(22);
  }, 300_000);

  it('repo gc leaves what hosts need, and removes all of the rest in the end', async () => {
    const longAgo = new Date(Date.now() - 40 * DAY_MS);
    await using workplace = await setup(longAgo);
    await publishVersion(workplace, '1.1.0');
    await workplace.must(
      ...['release', 'withdraw', 'file:R', ...PLATFORM, '--version', '1.0.0', '--reason', 'r'],
      ...['--release-key', 'file:K/release.pem', ...ONLINE],
    );
    workplace.now = new Date();
    await workplace.must('repo', 'refresh', 'file:R', '--key', 'file:K/online.pem');
    await makeOlder(join(workplace.folder, 'R'), longAgo);
    const [kills] = await kill(workplace, { argv: ['repo', 'gc', 'file:R'], calls: ['unlink'] });
    expect(kills).toBeGreaterThanOrEqual(16);
  }, 300_000);
});

async function makeOlder(folder: string, to: Date): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true })) {
    await utimes(join(folder, entry), to, to);
  }
}
