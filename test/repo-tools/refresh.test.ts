import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { initRepository } from '../support/small-repository.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const REFRESH = ['repo', 'refresh', 'file:R', '--key', 'file:K/online.pem', '--json'] as const;

async function setup(): Promise<Workplace> {
  const workplace = await makeWorkplace();
  await initRepository(workplace);
  return workplace;
}

function wait(workplace: Workplace, days: number): void {
  workplace.now = new Date(workplace.now.getTime() + days * DAY_MS);
}

async function renewedRoles(workplace: Workplace, ...more: readonly string[]): Promise<unknown> {
  const { renewed } = JSON.parse(await workplace.must(...REFRESH, ...more));
  return renewed.map(({ role }: { readonly role: string }) => role);
}

describe('tidegate repo refresh', () => {
  it('leaves what is not due alone, so that cron may call it often', async () => {
    await using workplace = await setup();
    expect(await renewedRoles(workplace, '--only-if-due')).toEqual([]);
  });

  it('signs only the timestamp anew when only it is due', async () => {
    await using workplace = await setup();
    wait(workplace, 4);
    expect(await renewedRoles(workplace, '--only-if-due')).toEqual(['timestamp']);
    expect(await renewedRoles(workplace, '--only-if-due')).toEqual([]);
  });

  it('brings an expired repository back to life', async () => {
    await using workplace = await setup();
    wait(workplace, 40);
    expect((await workplace.run('repo', 'verify', 'file:R')).code).not.toBe(0);
    expect(await renewedRoles(workplace, '--only-if-due')).toEqual([
      'rollouts',
      'snapshot',
      'timestamp',
    ]);
    await workplace.must('repo', 'verify', 'file:R');
  });

  it('gives new metadata the life that the policy file says', async () => {
    await using workplace = await setup();
    await writeFile(join(workplace.folder, 'expiry.toml'), "timestamp_expiration = '2 days'\n");
    const shorter = [...REFRESH, '--expiry-policy', 'expiry.toml', '--allow-earlier-expiry'];
    const out = await workplace.must(...shorter);
    expect(JSON.parse(out).renewed).toContainEqual({
      role: 'timestamp',
      version: 2,
      expires: '2026-03-03T12:00:00Z',
    });
  });

  it('names the roles that are due and whose keys were not given', async () => {
    await using workplace = await setup();
    wait(workplace, 200);
    const { left } = JSON.parse(await workplace.must(...REFRESH, '--only-if-due'));
    expect(left).toEqual(['root', 'targets', 'releases-aws-k8s-1.32-x86_64']);
  });

  it('refuses keys that may not sign the timestamp, and writes nothing', async () => {
    await using workplace = await setup();
    const before = await workplace.must('repo', 'status', 'file:R', '--json');
    const { code, stderr } = await workplace.run(
      'repo',
      'refresh',
      'file:R',
      '--key',
      'file:K/release.pem',
    );
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('must be signed by'),
    });
    expect(await workplace.must('repo', 'status', 'file:R', '--json')).toBe(before);
  });
});

describe('tidegate repo expiry', () => {
  it('has one line a role, and succeeds while nothing expires soon', async () => {
    await using workplace = await setup();
    const out = await workplace.must('repo', 'expiry', 'file:R', '--fail-within', '3 days');
    expect(out.split('\n')).toHaveLength(6);
  });

  it.each([
    { limit: '7 days', code: 1 },
    { limit: '6 days', code: 0 },
    { limit: 'soon', code: 2 },
  ])('exits $code when a timestamp of 7 days is asked for $limit', async ({ limit, code }) => {
    await using workplace = await setup();
    const ran = await workplace.run('repo', 'expiry', 'file:R', '--fail-within', limit);
    expect(ran.code).toBe(code);
  });

  it('tells an expired role without --fail-within', async () => {
    await using workplace = await setup();
    wait(workplace, 8);
    const { code, stdout } = await workplace.run('repo', 'expiry', 'file:R');
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('EXPIRED') });
  });
});
