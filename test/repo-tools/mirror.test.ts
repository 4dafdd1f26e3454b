import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { mirrorRepository } from '../../repo-tools/mirror.ts';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { openFilesystemStorage } from '../../adapters/storage/filesystem.ts';
import { signMetadata } from '../../adapters/repository/sign.ts';
import { releasesRole } from '../../core/tuf/names.ts';
import { selectTargets } from '../../core/tuf/select-targets.ts';
import { rootTrust } from '../../core/tuf/verify.ts';
import { loadState } from '../../adapters/repository/load.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { makeWorkplace } from '../support/cli.ts';
import { exampleRepository, PLATFORM, RELEASES } from '../support/example-repository.ts';
import { faultyStorage } from '../support/faulty-storage.ts';
import { objectsOf } from '../support/objects-of.ts';
import { serveStorage } from '../support/serve-storage.ts';
import { initRepository, publishVersion } from '../support/small-repository.ts';

const listener = { begin: () => ({ advance: () => {}, end: () => {} }) };
const selection = { variants: [], arches: [], newest: null };

function mirror(from: Storage, to: Storage, trustedRoot: Uint8Array | null = null) {
  return mirrorRepository({ from, to, selection, trustedRoot, listener, isDryRun: false });
}

test('a mirror holds what the source holds, and a second run puts nothing', async () => {
  const from = createMemoryStorage();
  const { firstRoot } = await exampleRepository(from);
  const to = faultyStorage(createMemoryStorage());
  await mirror(from, to, firstRoot);
  expect(await objectsOf(to)).toEqual(await objectsOf(from));
  expect(to.puts.at(-1)).toBe('metadata/timestamp.json');
  const { length } = to.puts;
  await mirror(from, to);
  expect(to.puts).toHaveLength(length);
});

test('a run killed at any put leaves no timestamp or a whole state, and the next run finishes', async () => {
  const from = createMemoryStorage();
  await exampleRepository(from);
  const whole = faultyStorage(createMemoryStorage());
  await mirror(from, whole);
  for (const phase of ['before', 'after'] as const) {
    for (const n of whole.puts.keys()) {
      const inner = createMemoryStorage();
      const to = faultyStorage(inner);
      to.crashAt(n + 1, phase);
      await expect(mirror(from, to)).rejects.toMatchObject({ code: 'storage/unavailable' });
      if ('metadata/timestamp.json' in (await objectsOf(inner))) {
        await loadState({ storage: inner, cache: new Map(), trustedRoot: null });
      }
      await mirror(from, inner);
      expect(await objectsOf(inner)).toEqual(await objectsOf(from));
    }
  }
});

test('a destination that is another repository, or newer, is refused before anything is written', async () => {
  const from = createMemoryStorage();
  await exampleRepository(from);
  const to = faultyStorage(createMemoryStorage());
  await mirror(from, to);
  const { length } = to.puts;
  await to.put('metadata/2.root.json', Buffer.from('{}'), {
    condition: { kind: 'create-only' },
    cacheControl: 'immutable',
  });
  await expect(mirror(from, to)).rejects.toMatchObject({ code: 'mirror/older' });
  expect(to.puts).toHaveLength(length + 1);
  const other = faultyStorage(createMemoryStorage());
  await other.put('metadata/1.root.json', Buffer.from('{}'), {
    condition: { kind: 'create-only' },
    cacheControl: 'immutable',
  });
  await expect(mirror(from, other)).rejects.toMatchObject({ code: 'mirror/other-repository' });
  expect(other.puts).toHaveLength(1);
});

test('a destination with an older state follows to the new one, a root that came alone included', async () => {
  const from = createMemoryStorage();
  const { repository, signers } = await exampleRepository(from);
  const to = faultyStorage(createMemoryStorage());
  await mirror(from, to);
  const addFiles = [{ name: 'aws-k8s-1.32-x86_64-1.0.0-boot', bytes: Buffer.from('boot') }];
  const state = await repository.commit({
    signers: [signers.release, signers.online],
    edit: () => ({ roles: new Map([[RELEASES, { addFiles }]]) }),
  });
  await mirror(from, to);
  expect(to.puts.at(-1)).toBe('metadata/timestamp.json');
  const root = await signMetadata(
    'root',
    { ...state.root, version: 2 },
    { trust: rootTrust(state.root, 'root'), signers: [signers.root1, signers.root2] },
  );
  await repository.commit({ signers: [], edit: () => ({ roles: new Map(), root }) });
  await mirror(from, to);
  expect(to.puts.at(-1)).toBe('metadata/2.root.json');
  const copy = await objectsOf(to);
  expect(copy).toMatchObject(await objectsOf(from));
  await loadState({ storage: to, cache: new Map(), trustedRoot: null });
});

test('an older source is refused', async () => {
  const from = createMemoryStorage();
  const { repository, signers } = await exampleRepository(from);
  const old = createMemoryStorage(Object.entries(await objectsOf(from)));
  await repository.commit({
    signers: [signers.online],
    edit: () => ({ roles: new Map(), renew: ['timestamp'] }),
  });
  const to = createMemoryStorage();
  await mirror(from, to);
  await expect(mirror(old, to)).rejects.toMatchObject({ code: 'mirror/older' });
});

test('a source without the given root in its chain is refused', async () => {
  const from = createMemoryStorage();
  const { firstRoot } = await exampleRepository(from);
  const other = Buffer.from(
    Buffer.from(firstRoot).toString().replace('"signatures"', ' "signatures"'),
  );
  const to = faultyStorage(createMemoryStorage());
  await expect(mirror(from, to, other)).rejects.toMatchObject({ code: 'mirror/source' });
  expect(to.puts).toEqual([]);
});

test.each([
  { case: 'everything', change: {}, images: ['a1', 'a2', 'b1'] },
  { case: 'one variant', change: { variants: ['metal'] }, images: ['b1'] },
  { case: 'one arch', change: { arches: ['x86_64'] }, images: ['a1', 'a2'] },
  { case: 'the newest of each', change: { newest: 1 }, images: ['a2', 'b1'] },
  {
    case: 'a variant and an arch that do not meet',
    change: { variants: ['metal'], arches: ['x86_64'] },
    images: [],
  },
])(
  '$case: only images are left out, never documents or the manifest',
  async ({ change, images }) => {
    const metal = { variant: 'metal', arch: 'aarch64' };
    const from = createMemoryStorage();
    const { repository, signers } = await exampleRepository(from, ({ releases }, { release }) => ({
      releases: [...releases, { ...metal, keys: [release.key], threshold: 1 }],
    }));
    const file = (name: string) => ({ name, bytes: Buffer.from(name) });
    const labels = new Map<string, string>();
    const release = ({ variant, arch }: typeof metal, version: string, label: string) => {
      const prefix = `${variant}-${arch}-${version}`;
      labels.set(`${prefix}-boot.lz4`, label);
      return [file(`${prefix}-boot.lz4`), file(`${prefix}-release.json`)];
    };
    // By version, not by letter: 1.10.0 is the newer one.
    const addFiles = [...release(PLATFORM, '1.9.0', 'a1'), ...release(PLATFORM, '1.10.0', 'a2')];
    const state = await repository.commit({
      signers: [signers.release, signers.online],
      edit: () => ({
        roles: new Map([
          [RELEASES, { addFiles }],
          [releasesRole(metal), { addFiles: release(metal, '2.0.0-rc.1', 'b1') }],
        ]),
      }),
    });
    const { wanted, leftOut } = selectTargets(state, { ...selection, ...change });
    const names = wanted.map(({ name }) => name);
    expect(names.flatMap((name) => labels.get(name) ?? []).toSorted()).toEqual(images);
    expect(names).toContain('manifest.json');
    expect(names.filter((name) => name.endsWith('-release.json'))).toHaveLength(3);
    expect(leftOut).toHaveLength(labels.size - images.length);
  },
);

test('tidegate repo mirror copies from a folder and from a web server, filtered, and a second run has nothing to do', async () => {
  await using workplace = await makeWorkplace();
  await initRepository(workplace);
  await publishVersion(workplace, '1.0.0');
  await publishVersion(workplace, '1.1.0');
  const images = async (folder: string) =>
    (await readdir(join(workplace.folder, folder, 'targets'))).filter(
      (name) => !name.endsWith('.json'),
    );
  await workplace.must('repo', 'mirror', 'file:R', 'file:USB', '--root', 'R/metadata/1.root.json');
  expect(await images('USB')).toEqual(await images('R'));
  await workplace.must('repo', 'verify', 'file:USB');

  await using storage = await openFilesystemStorage({
    folder: join(workplace.folder, 'R'),
    access: 'read',
  });
  await using server = await serveStorage(storage);
  const command = ['repo', 'mirror', server.url, 'file:NEW', '--newest', '1', '--json'] as const;
  const dry = JSON.parse(await workplace.must(...command, '--dry-run'));
  expect(existsSync(join(workplace.folder, 'NEW'))).toBe(false);
  const first = JSON.parse(await workplace.must(...command));
  expect(dry).toEqual({ ...first, dryRun: true });
  expect(first.leftOut).toHaveLength(3);
  const copied = await images('NEW');
  expect(copied).toHaveLength(3);
  expect(copied.every((name) => name.includes('-1.1.0-'))).toBe(true);
  const again = JSON.parse(await workplace.must(...command));
  expect(again).toMatchObject({ copied: 0, bytes: 0, skipped: first.copied });
});

test.each([
  { options: ['--variant', 'aws-k8s-1.23'], code: 1 },
  { options: ['--arch', 'arm'], code: 1 },
  { options: ['--newest', '0'], code: 2 },
  { options: ['--root', 'nowhere.json'], code: 2 },
])('tidegate repo mirror refuses $options', async ({ options, code }) => {
  await using workplace = await makeWorkplace();
  await initRepository(workplace);
  expect((await workplace.run('repo', 'mirror', 'file:R', 'file:NEW', ...options)).code).toBe(code);
});
