import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import {
  initRepository,
  ONLINE,
  PLATFORM,
  publishArguments,
  publishVersion,
  writeImages,
} from '../support/small-repository.ts';

async function setup(): Promise<Workplace> {
  const workplace = await makeWorkplace();
  await initRepository(workplace);
  await publishVersion(workplace, '1.0.0');
  await publishVersion(workplace, '1.1.0', '--rollback-to', '1.0.0');
  await writeImages(workplace, '1.2.0');
  return workplace;
}

async function filesOf(workplace: Workplace): Promise<ReadonlyMap<string, string>> {
  const folder = join(workplace.folder, 'R');
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  return new Map(
    await Promise.all(
      files.map(async ({ name, parentPath }) => {
        const path = join(parentPath, name);
        return [path, await readFile(path, 'hex')] as const;
      }),
    ),
  );
}

const START = [
  'rollout',
  'start',
  '--storage',
  'file:R',
  ...PLATFORM,
  '--version',
  '1.1.0',
] as const;
const PUBLISH = publishArguments('1.2.0').filter((text) => !/key|file:K/.test(text));

describe('--dry-run', () => {
  it.each([
    {
      command: 'publish',
      argv: PUBLISH,
      roles: ['releases-aws-k8s-1.32-x86_64', 'snapshot', 'timestamp'],
    },
    {
      command: 'repo refresh',
      argv: ['repo', 'refresh', 'file:R'],
      roles: ['targets', 'rollouts', 'releases-aws-k8s-1.32-x86_64', 'snapshot', 'timestamp'],
    },
    {
      command: 'repo refresh of nothing',
      argv: ['repo', 'refresh', 'file:R', '--only-if-due'],
      roles: [],
    },
    { command: 'rollout start', argv: START, roles: ['rollouts', 'snapshot', 'timestamp'] },
  ])('$command says who must sign, without keys, and writes nothing', async ({ argv, roles }) => {
    await using workplace = await setup();
    await cp(join(workplace.folder, 'K'), join(workplace.folder, 'away'), { recursive: true });
    await rm(join(workplace.folder, 'K'), { recursive: true });
    const before = await filesOf(workplace);
    const shown = JSON.parse(await workplace.must(...argv, '--dry-run', '--json'));
    expect(shown.dryRun).toBe(true);
    expect(shown.roles.map(({ role }: { readonly role: string }) => role)).toEqual(roles);
    for (const { mustSign } of shown.roles) expect(mustSign).toMatchObject({ threshold: 1 });
    expect(await filesOf(workplace)).toEqual(before);
    expect(await workplace.must(...argv, '--dry-run')).toContain(
      roles.length === 0 ? 'nothing would change' : 'nothing was signed',
    );
  });

  it('tells the bytes of a publish, and what it lists', async () => {
    await using workplace = await setup();
    const { roles, uploadBytes } = JSON.parse(
      await workplace.must(...PUBLISH, '--dry-run', '--json'),
    );
    const added = roles[0].changes.filter(
      ({ kind }: { readonly kind: string }) => kind === 'target-added',
    );
    expect(added).toHaveLength(4);
    const sum = added.reduce(
      (all: number, { length }: { readonly length: number }) => all + length,
      0,
    );
    expect(uploadBytes.targets).toBe(sum);
    await workplace.must(...publishArguments('1.2.0'));
    expect(await workplace.must(...PUBLISH, '--dry-run')).toBe('nothing would change');
  });

  it.each(['pause', 'withdraw'])('%s says that hosts read new rollouts', async (kind) => {
    await using workplace = await setup();
    const id = await workplace.must(...START, ...ONLINE);
    const text = await workplace.must(
      ...['rollout', kind, id, '--storage', 'file:R', '--reason', 'r', '--dry-run'],
    );
    expect(text).toContain('every host reads the new rollouts');
    const { rollouts } = JSON.parse(
      await workplace.must('rollout', 'list', '--storage', 'file:R', '--json'),
    );
    expect(rollouts?.[0]?.state ?? 'running').toBe('running');
  });

  it('of a rollout verb refuses what the verb would refuse', async () => {
    await using workplace = await setup();
    const id = await workplace.must(...START, ...ONLINE);
    const resume = ['rollout', 'resume', id, '--storage', 'file:R', '--dry-run'];
    expect((await workplace.run(...resume)).code).toBe(1);
    const server = ['rollout', 'pause', id, '--server', 'http://127.0.0.1:9', '--reason', 'r'];
    expect((await workplace.run(...server, '--dry-run')).code).toBe(2);
  });

  it('of repo init reviews the first metadata and makes nothing', async () => {
    await using workplace = await setup();
    const shown = await workplace.must(
      ...['repo', 'init', 'file:N', '--single-key', 'file:K/root1.pem', '--dry-run'],
      ...['--release-key', 'aws-k8s-1.32:x86_64=file:K/release.pem'],
    );
    expect(shown).toContain('a root key is an online key too');
    expect((await workplace.run('repo', 'status', 'file:N')).code).toBe(1);
  });
});
