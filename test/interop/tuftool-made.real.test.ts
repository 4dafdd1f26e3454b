import { createHash, createPrivateKey } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { OLD_WAVES } from '../support/import-workplace.ts';
import { writePubsysRepository } from '../support/pubsys-repository.ts';
import { serveStorage } from '../support/serve-storage.ts';
import { initRepository, writeImages } from '../support/small-repository.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import type { LintFinding } from '../../core/tuf/lint/check.ts';
import { beginLife, PLATFORM } from './life.ts';
import { KEY_KINDS } from './states.ts';
import {
  createTuftoolRepository,
  delegateWithTuftool,
  expiriesWith,
  makeTuftoolKeys,
  TUFTOOL_KEYS,
} from './tuftool-repository.ts';
import type { Expiries, TuftoolKey } from './tuftool-repository.ts';

/** What `tuftool create --targets-expires 'in 3 weeks'` writes. */
const NANOSECONDS = expiriesWith('.936813246');
const RELEASES = `releases-${PLATFORM.variant}-${PLATFORM.arch}`;

/** What a fleet with two releases and a rollout of the second to everyone publishes, by target name. */
async function published(): Promise<ReadonlyMap<string, Uint8Array>> {
  const [{ keys }] = KEY_KINDS;
  await using life = await beginLife({ keys });
  await life.init();
  await life.publish('1.0.0');
  await life.publish('1.1.0', '1.0.0');
  const platform = ['--variant', PLATFORM.variant, '--arch', PLATFORM.arch];
  await life.rollout('start', ...platform, '--version', '1.1.0');
  return await life.expected();
}

/** The layout of our profile by tuftool's commands: one delegated role for the manifest, one for the releases. */
async function setup(key: TuftoolKey, expiries: Expiries): Promise<Workplace> {
  const workplace = await makeWorkplace();
  const { folder } = workplace;
  workplace.now = new Date();
  await makeTuftoolKeys(folder, key);
  await createTuftoolRepository(folder, expiries);
  const targets = [...(await published())];
  const roles = [
    { name: 'rollouts', paths: 'manifest.json', isOwn: (name: string) => name === 'manifest.json' },
    {
      name: RELEASES,
      paths: `${PLATFORM.variant}-${PLATFORM.arch}-*`,
      isOwn: (name: string) => name !== 'manifest.json',
    },
  ];
  for (const [index, { name, paths, isOwn }] of roles.entries()) {
    const files = join(folder, 'files', name);
    await mkdir(files, { recursive: true });
    const own = targets.filter(([target]) => isOwn(target));
    for (const [target, bytes] of own) await writeFile(join(files, target), bytes);
    await delegateWithTuftool(folder, { name, paths, files, version: 2 + 2 * index, expiries });
    // tuftool leaves out the hash that consistent snapshots ask for before the names of delegated targets.
    for (const [target, bytes] of own) {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const stored = join(folder, 'repo', 'targets');
      await rename(join(stored, target), join(stored, `${sha256}.${target}`));
    }
  }
  return workplace;
}

/** A repository of Bottlerocket's releases by tuftool's commands in `repo`, and one of ours in `R`. */
async function setupImport(key: TuftoolKey): Promise<Workplace> {
  const workplace = await makeWorkplace();
  const { folder } = workplace;
  workplace.now = new Date();
  await initRepository(workplace);
  const { files } = await writePubsysRepository(join(folder, 'built'), {
    ...PLATFORM,
    updates: [
      { version: '1.44.0', waves: OLD_WAVES },
      { version: '1.45.0', waves: OLD_WAVES },
    ],
  });
  await mkdir(join(folder, 'input'));
  for (const [name, path] of files) {
    await copyFile(join(folder, 'built', path), join(folder, 'input', name));
  }
  await makeTuftoolKeys(folder, key);
  await createTuftoolRepository(folder, NANOSECONDS);
  return workplace;
}

/** tuftool's key in the form that our commands read. */
async function writePem({ folder }: Workplace, name: string, key: TuftoolKey): Promise<void> {
  const bytes = await readFile(join(folder, `${name}.key`));
  const privateKey =
    key === 'rsa'
      ? createPrivateKey(bytes)
      : createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
  await writeFile(
    join(folder, `${name}.pem`),
    privateKey.export({ type: 'pkcs8', format: 'pem' }),
    {
      mode: 0o600,
    },
  );
}

async function writeAgentConfig(
  workplace: Workplace,
  url: string,
  root = 'repo/metadata/1.root.json',
): Promise<void> {
  await writeFile(
    join(workplace.folder, 'agent.toml'),
    [
      ...["state = 'state'", '[host]', "id = 'host-1'", 'seed = 1000'],
      ...[`variant = '${PLATFORM.variant}'`, `arch = '${PLATFORM.arch}'`],
      ...['[repository]', `root = '${root}'`],
      ...[`metadata-url = '${url}/metadata/'`, `targets-url = '${url}/targets/'`],
      ...['[slots]', "kind = 'directory'", "path = 'slots'", ''],
    ].join('\n'),
  );
}

function agentOf(workplace: Workplace) {
  return (verb: string, ...more: readonly string[]) =>
    workplace.must('agent', verb, '--config', 'agent.toml', '--json', ...more);
}

describe('a repository that tuftool made', () => {
  it.each(TUFTOOL_KEYS)(
    'is imported, and hosts then update to what it held, with %s keys',
    async (key) => {
      await using workplace = await setupImport(key);
      const { releases } = JSON.parse(
        await workplace.must(
          ...['repo', 'import', 'file:R', '--from', 'repo', '--root', 'repo/metadata/1.root.json'],
          ...['--release-key', 'file:K/release.pem', '--online-key', 'file:K/online.pem', '--json'],
        ),
      );
      expect(releases).toMatchObject([
        { version: '1.44.0', outcome: 'imported' },
        { version: '1.45.0', outcome: 'imported' },
      ]);
      const { folder: cwd, env } = workplace;
      await using storage = await openStorage('file:R', { access: 'read', cwd, env });
      await using server = await serveStorage(storage);
      await writeAgentConfig(workplace, server.url, 'R/metadata/1.root.json');
      await agentOf(workplace)('provision', '--version', '1.44.0');
      expect(JSON.parse(await agentOf(workplace)('once'))).toMatchObject({
        ...{ result: 'updated', from: '1.44.0', to: '1.45.0' },
      });
    },
    60_000,
  );

  it.each(TUFTOOL_KEYS)(
    'is ours to go on with, and hosts follow, with %s keys',
    async (key) => {
      await using workplace = await setup(key, NANOSECONDS);
      const { folder: cwd, env } = workplace;
      await using storage = await openStorage('file:repo', { access: 'read', cwd, env });
      await using server = await serveStorage(storage);
      await writeAgentConfig(workplace, server.url);
      await agentOf(workplace)('provision', '--version', '1.0.0');
      await writePem(workplace, 'online', key);
      const online = ['--online-key', 'file:online.pem'];
      const platform = ['--variant', PLATFORM.variant, '--arch', PLATFORM.arch];
      await writeImages(workplace, '1.2.0');
      // Its timestamp lives longer than ours, as if our clock were behind.
      await workplace.must(
        ...['repo', 'refresh', 'file:repo', '--key', 'file:online.pem', '--allow-earlier-expiry'],
      );
      await workplace.must(
        ...['publish', 'file:repo', ...platform, '--version', '1.2.0'],
        ...['--image', 'boot=b.img', '--image', 'root=r.img.zst', '--image', 'hash=h.img'],
        ...['--release-key', 'file:online.pem', ...online],
      );
      await workplace.must(
        ...['rollout', 'start', '--storage', 'file:repo', ...platform, '--version', '1.2.0'],
        ...online,
      );
      await workplace.must('repo', 'refresh', 'file:repo', '--key', 'file:online.pem');
      workplace.now = new Date();
      expect(JSON.parse(await agentOf(workplace)('once'))).toMatchObject({
        ...{ result: 'updated', from: '1.0.0', to: '1.2.0' },
      });
      const verified = JSON.parse(
        await workplace.must('repo', 'verify', 'file:repo', '--no-profile', '--json'),
      );
      expect(verified).toMatchObject({ targets: 13, failures: [] });
    },
    60_000,
  );

  it.each(TUFTOOL_KEYS)(
    'gets our keys by ceremonies, after which what is in force keeps our profile, with %s keys',
    async (key) => {
      await using workplace = await setup(key, expiriesWith(''));
      const { folder: cwd, env } = workplace;
      await using storage = await openStorage('file:repo', { access: 'read', cwd, env });
      await using server = await serveStorage(storage);
      await writeAgentConfig(workplace, server.url);
      await agentOf(workplace)('provision', '--version', '1.0.0');
      for (const name of ['root', 'online']) await writePem(workplace, name, key);
      const names = ['root', 'targets', 'online', 'release'];
      for (const name of names) {
        await workplace.must('key', 'new', '--type', 'ed25519', '--out', `K/${name}.pem`);
      }
      const people = ['root.pem', 'online.pem', ...names.map((name) => `K/${name}.pem`)];
      // All that tuftool gave its key to, so that the key is in no file any more.
      for (const [role, newKey] of [
        ['online', 'online'],
        [RELEASES, 'release'],
        ['targets', 'targets'],
        ['root', 'root'],
      ] as const) {
        await workplace.must(
          ...['repo', 'rotate', role, 'file:repo', '--new-key', `file:K/${newKey}.pem`],
          ...['--reason', 'ours', '--sign-with', ...people.map((file) => `file:${file}`)],
          ...['--online-key', 'file:K/online.pem', 'file:K/release.pem'],
        );
      }
      await workplace.must('repo', 'refresh', 'file:repo', '--key', 'file:K/online.pem');
      const { stdout } = await workplace.run('repo', 'lint', 'file:repo', '--json');
      const { findings }: { readonly findings: readonly LintFinding[] } = JSON.parse(stdout);
      const inForce = findings.filter(
        ({ severity, where }) => severity === 'error' && !/^\d+\.root$/.test(where),
      );
      expect(inForce).toEqual([]);
      workplace.now = new Date();
      expect(JSON.parse(await agentOf(workplace)('once'))).toMatchObject({ to: '1.1.0' });
    },
    60_000,
  );

  it.each(TUFTOOL_KEYS)(
    'updates a host without a server, with %s keys',
    async (key) => {
      await using workplace = await setup(key, NANOSECONDS);
      const { folder: cwd, env } = workplace;
      await using storage = await openStorage('file:repo', { access: 'read', cwd, env });
      await using server = await serveStorage(storage);
      await writeAgentConfig(workplace, server.url);
      const agent = agentOf(workplace);
      const provisioned = await agent('provision', '--version', '1.0.0');
      expect(JSON.parse(provisioned)).toMatchObject({ version: '1.0.0' });
      workplace.now = new Date();
      expect(JSON.parse(await agent('once'))).toMatchObject({
        ...{ result: 'updated', from: '1.0.0', to: '1.1.0', direction: 'forward' },
      });
      expect(JSON.parse(await agent('once'))).toMatchObject({ result: 'stayed', from: '1.1.0' });
    },
    60_000,
  );

  it.each(TUFTOOL_KEYS)(
    'gives a new host its newest release from files, with %s keys',
    async (key) => {
      await using workplace = await setup(key, expiriesWith(''));
      await writeAgentConfig(workplace, 'file:repo');
      const provisioned = await workplace.must(
        'agent',
        'provision',
        '--config',
        'agent.toml',
        '--json',
      );
      expect(JSON.parse(provisioned)).toMatchObject({ version: '1.1.0' });
    },
    60_000,
  );

  it.each(TUFTOOL_KEYS)(
    'is shown and verified, with %s keys',
    async (key) => {
      await using workplace = await setup(key, NANOSECONDS);
      const { releases } = JSON.parse(
        await workplace.must('repo', 'status', 'file:repo', '--json'),
      );
      expect(
        releases.map(({ version }: { readonly version: string }) => version).toSorted(),
      ).toEqual([...['1.0.0', '1.1.0']]);
      const verified = JSON.parse(
        await workplace.must('repo', 'verify', 'file:repo', '--no-profile', '--json'),
      );
      expect(verified).toMatchObject({ targets: 9, failures: [] });
    },
    60_000,
  );
});
