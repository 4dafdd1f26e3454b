import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import {
  initRepository,
  ONLINE,
  publishArguments,
  publishVersion,
  writeImages,
} from '../support/small-repository.ts';

async function files(workplace: Workplace): Promise<readonly string[]> {
  const names = await readdir(join(workplace.folder, 'R'), { recursive: true });
  return names.filter((name) => /\.[a-z0-9]+$/.test(name)).toSorted();
}

async function setup() {
  const workplace = await makeWorkplace();
  await initRepository(workplace);
  await writeImages(workplace, 'first');
  return workplace;
}

describe('tidegate repo init', () => {
  it('makes a repository that a host can follow, with an empty manifest', async () => {
    await using workplace = await setup();
    const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(report).toMatchObject({ targets: 1, failures: [] });
    expect(report.roles.map(({ role }: { role: string }) => role)).toEqual([
      'targets',
      'rollouts',
      'releases-aws-k8s-1.32-x86_64',
    ]);
  });

  it('refuses a repository that exists and changes nothing', async () => {
    await using workplace = await setup();
    const before = await files(workplace);
    await expect(initRepository(workplace)).rejects.toThrow('K/root1.pem');
    const again = await workplace.run(
      ...['repo', 'init', 'file:R', '--single-key', 'file:K/root1.pem'],
      ...['--release-key', 'v:x86_64=file:K/release.pem'],
    );
    expect(again.code).toBe(1);
    expect(await files(workplace)).toEqual(before);
  });

  it.each([
    { case: 'no keys', options: [] },
    {
      case: 'a threshold above the number of keys',
      options: [
        '--root-key',
        'file:a',
        '--targets-key',
        'file:a',
        '--online-key',
        'file:a',
        '--root-threshold',
        '2',
      ],
    },
    {
      case: 'a single key beside others',
      options: ['--single-key', 'file:a', '--root-key', 'file:a'],
    },
  ])('refuses $case as a wrong call', async ({ options }) => {
    await using workplace = await makeWorkplace();
    const { code } = await workplace.run(
      'repo',
      'init',
      'file:R',
      ...options,
      '--release-key',
      'v:x86_64=file:b',
    );
    expect(code).toBe(2);
  });
});

describe('tidegate publish', () => {
  it('publishes images as they are stored, hashed as stored and raw', async () => {
    await using workplace = await setup();
    const published = JSON.parse(
      await workplace.must(...publishArguments('1.1.0', '--rollback-to', '1.0.0', '--json')),
    );
    expect(published).toMatchObject({ isNew: true, version: '1.1.0' });
    expect(published.images.map(({ target }: { target: string }) => target)).toEqual([
      'aws-k8s-1.32-x86_64-1.1.0-boot',
      'aws-k8s-1.32-x86_64-1.1.0-root.zst',
      'aws-k8s-1.32-x86_64-1.1.0-hash',
    ]);
    const name = (await files(workplace)).find((file) => file.endsWith('-release.json')) ?? '';
    const release = JSON.parse(await readFile(join(workplace.folder, 'R', name), 'utf8'));
    expect(release).toMatchObject({ rollbackTo: ['1.0.0'], minimumFrom: null });
    expect(release.images.root).toMatchObject({
      format: 'zstd',
      size: 'root image first '.length * 1000,
    });
    expect(JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'))).toMatchObject({
      targets: 5,
      failures: [],
    });
  });

  it('does nothing when the very same release is published again', async () => {
    await using workplace = await setup();
    await workplace.must(...publishArguments('1.0.0'));
    const before = await files(workplace);
    workplace.now = new Date('2026-03-02T12:00:00Z');
    expect(JSON.parse(await workplace.must(...publishArguments('1.0.0', '--json')))).toMatchObject({
      isNew: false,
    });
    expect(await files(workplace)).toEqual(before);
  });

  it.each([
    {
      case: 'other bytes',
      change: (workplace: Workplace) => writeImages(workplace, 'second'),
      more: [],
    },
    { case: 'other terms', change: async () => {}, more: ['--rollback-to', '0.9.0'] },
  ])('refuses a version that exists with $case', async ({ change, more }) => {
    await using workplace = await setup();
    await workplace.must(...publishArguments('1.0.0'));
    const before = await files(workplace);
    await change(workplace);
    expect((await workplace.run(...publishArguments('1.0.0', ...more))).code).toBe(1);
    expect(await files(workplace)).toEqual(before);
  });

  it.each([
    { case: 'a version that is none', more: ['--version', 'v1'], code: 1 },
    { case: 'a way back to a newer version', more: ['--rollback-to', '2.0.0'], code: 1 },
    { case: 'a barrier above the version', more: ['--minimum-from', '1.0.1'], code: 1 },
    { case: 'a variant that nobody may sign', more: ['--variant', 'metal'], code: 1 },
    {
      case: 'the key of another role',
      more: ['--release-key', 'file:K/online.pem'],
      code: 1,
      only: true,
    },
    { case: 'a file that is not there', more: ['--image', 'data=none.img'], code: 1 },
    { case: 'an image that is not of its format', more: ['--format', 'boot=lz4'], code: 1 },
    { case: 'an unknown format', more: ['--format', 'gzip'], code: 2 },
    { case: 'a format for no image', more: ['--format', 'data=raw'], code: 2 },
    { case: 'the same image twice', more: ['--image', 'boot=h.img'], code: 2 },
    { case: 'an unknown option', more: ['--speed'], code: 2 },
  ])('refuses $case and leaves the repository as it was', async ({ more, code, only }) => {
    await using workplace = await setup();
    const before = await files(workplace);
    const argv = publishArguments('1.0.0').filter(
      (argument, index, all) =>
        only !== true || (argument !== '--release-key' && all[index - 1] !== '--release-key'),
    );
    const ran = await workplace.run(...argv, ...more);
    expect([ran.code, ran.stdout]).toEqual([code, '']);
    expect(ran.stderr).toContain('tidegate: error: ');
    expect(await files(workplace)).toEqual(before);
  });

  it('finds the variant free when its first publisher had no online key', async () => {
    await using workplace = await setup();
    const argv = publishArguments('1.0.0').filter(
      (argument) => !ONLINE.some((part) => part === argument),
    );
    expect((await workplace.run(...argv, '--online-key', 'file:K/root1.pem')).code).toBe(1);
    await workplace.must(...publishArguments('1.0.0'));
  });
});

describe('tidegate repo verify', () => {
  it('names a target whose bytes are not those that the metadata lists', async () => {
    await using workplace = await setup();
    await publishVersion(workplace, '1.0.0');
    const boot = (await files(workplace)).find((file) => file.endsWith('-1.0.0-boot')) ?? '';
    const names = await readdir(join(workplace.folder, 'R', 'targets'));
    const object = names.find((name) => name.endsWith('-1.0.0-boot')) ?? boot;
    await writeFile(join(workplace.folder, 'R', 'targets', object), 'boot image 1.0.1');
    const { code, stdout } = await workplace.run('repo', 'verify', 'file:R', '--json');
    expect(code).toBe(72);
    expect(JSON.parse(stdout).failures).toMatchObject([
      { target: 'aws-k8s-1.32-x86_64-1.0.0-boot' },
    ]);
  });

  it('fails when a host cannot follow the metadata', async () => {
    await using workplace = await setup();
    await truncate(join(workplace.folder, 'R', 'metadata', 'timestamp.json'), 100);
    expect((await workplace.run('repo', 'verify', 'file:R')).code).toBe(65);
  });
});

describe('tidegate repo status', () => {
  it('tells roles, keys, thresholds, versions and expiries', async () => {
    await using workplace = await setup();
    await publishVersion(workplace, '1.0.0');
    const { roles, releases } = JSON.parse(
      await workplace.must('repo', 'status', 'file:R', '--json'),
    );
    expect(roles[0]).toMatchObject({ role: 'root', version: 1, threshold: 2, isExpired: false });
    expect(roles[0].keys).toHaveLength(2);
    expect(releases).toMatchObject([{ variant: 'aws-k8s-1.32', arch: 'x86_64', version: '1.0.0' }]);
    expect(await workplace.must('repo', 'status', 'file:R')).toContain(
      'timestamp: version 2, expires in 1 week',
    );
  });

  it('says in words what has expired', async () => {
    await using workplace = await setup();
    workplace.now = new Date('2026-03-10T12:00:00Z');
    expect(await workplace.must('repo', 'status', 'file:R')).toContain(
      'timestamp: version 1, EXPIRED 2 days ago',
    );
  });
});
