import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openRepository } from '../../adapters/repository/repository.ts';
import { signMetadata } from '../../adapters/repository/sign.ts';
import { openSigner } from '../../adapters/signing/open.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { metaFile } from '../../core/tuf/edit.ts';
import type { MetaFile, SnapshotMetadata } from '../../core/tuf/metadata.ts';
import { ROLLOUTS_ROLE } from '../../core/tuf/names.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { contentOf, rootTrust } from '../../core/tuf/verify.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import {
  initRepository,
  publishArguments,
  publishVersion,
  writeImages,
} from '../support/small-repository.ts';
import { openTufClient } from '../support/tuf-client.ts';

const PLATFORM = 'aws-k8s-1.32-x86_64';
const RELEASES = `releases-${PLATFORM}.json`;
const DOCUMENT = `${PLATFORM}-1.1.0-release.json`;
const PEOPLE = ['--sign-with', 'file:K/root1.pem', 'file:K/root2.pem', 'file:K/targets.pem'];

/** A repository with two releases, a copy that a monitor keeps, and hosts that follow it. */
async function setup() {
  const resources = new AsyncDisposableStack();
  const workplace = resources.use(await makeWorkplace());
  // tuf-js reads the real clock.
  workplace.now = new Date();
  await initRepository(workplace);
  await publishVersion(workplace, '1.0.0');
  await publishVersion(workplace, '1.1.0');
  await workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/online2.pem');
  await workplace.must('repo', 'verify', 'file:R', '--save', 'seen');
  const options = { cwd: workplace.folder, env: {} };
  const storage = resources.use(await openStorage('file:R', { access: 'read', ...options }));
  const thief = resources.use(await openSigner('file:K/online.pem', options));
  const state = await openRepository({ storage, now: () => workplace.now }).load();
  const root = await readFile(join(workplace.folder, 'R/metadata/1.root.json'));
  const host = resources.use(await openTufClient(storage, root));
  expect(await host.read(DOCUMENT)).not.toEqual([null]);
  return {
    workplace,
    thief,
    state,
    host,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

type World = Awaited<ReturnType<typeof setup>>;

async function put({ folder }: Workplace, name: string, bytes: Uint8Array): Promise<void> {
  await writeFile(join(folder, 'R/metadata', name), bytes);
}

/** Signs a snapshot and a timestamp of this version as a thief of the online key, who writes to the storage too. */
async function publishSnapshot(
  { workplace, thief, state }: World,
  version: number,
  meta: SnapshotMetadata['meta'] = state.snapshot.meta,
): Promise<void> {
  const trust = rootTrust(state.root, 'snapshot');
  const signers: readonly Signer[] = [thief];
  const { bytes } = await signMetadata(
    'snapshot',
    { ...state.snapshot, version, meta },
    { trust, signers },
  );
  await put(workplace, `${version}.snapshot.json`, bytes);
  const named = { 'snapshot.json': metaFile(version, contentOf(bytes)) };
  const timestamp = await signMetadata(
    'timestamp',
    { ...state.timestamp, version, meta: named },
    { trust: rootTrust(state.root, 'timestamp'), signers },
  );
  await put(workplace, 'timestamp.json', timestamp.bytes);
}

/** Signs the manifest's role as it is, under the highest version that there can be. */
async function lastRollouts({ workplace, thief, state }: World): Promise<MetaFile> {
  const version = Number.MAX_SAFE_INTEGER;
  const present = state.delegated.get(ROLLOUTS_ROLE);
  const trust = trustIn(state, ROLLOUTS_ROLE);
  if (present === undefined || trust === null) throw new Error('there is a role rollouts');
  const file = await signMetadata(
    ROLLOUTS_ROLE,
    { ...present, version },
    { trust, signers: [thief] },
  );
  await put(workplace, `${version}.rollouts.json`, file.bytes);
  return metaFile(version, contentOf(file.bytes));
}

/** The releases role before the newest release. */
async function formerReleases({ workplace }: World): Promise<MetaFile> {
  return metaFile(2, contentOf(await readFile(join(workplace.folder, `R/metadata/2.${RELEASES}`))));
}

const ATTACKS: readonly {
  readonly attack: string;
  readonly by: (world: World) => Promise<void>;
  /** Whether hosts believe it, and remember what they saw. */
  readonly isBelieved: boolean;
}[] = [
  {
    attack: 'versions of snapshot and timestamp skip to 2^31',
    by: (world) => publishSnapshot(world, 2 ** 31),
    isBelieved: true,
  },
  {
    attack: 'versions of snapshot, timestamp and rollouts skip to the last number',
    by: async (world) => {
      const meta = { ...world.state.snapshot.meta, 'rollouts.json': await lastRollouts(world) };
      await publishSnapshot(world, Number.MAX_SAFE_INTEGER, meta);
    },
    isBelieved: true,
  },
  {
    attack: 'the snapshot names the releases of before',
    by: async (world) => {
      const meta = { ...world.state.snapshot.meta, [RELEASES]: await formerReleases(world) };
      await publishSnapshot(world, 2 ** 31, meta);
    },
    isBelieved: false,
  },
  {
    attack: 'the snapshot names a file that nobody has',
    by: async (world) => {
      const nothing = metaFile(2 ** 31, contentOf(new Uint8Array(100)));
      await publishSnapshot(world, 2 ** 31, { ...world.state.snapshot.meta, [RELEASES]: nothing });
    },
    isBelieved: false,
  },
];

function recover(workplace: Workplace, ...more: readonly string[]) {
  return workplace.run(
    ...[
      'repo',
      'recover',
      'file:R',
      '--new-online-key',
      'file:K/online2.pem',
      '--reason',
      'stolen',
    ],
    ...[...PEOPLE, '--online-key', 'file:K/online2.pem', ...more],
  );
}

/** As docs/keys.md has it: the timestamp of the trusted copy first. */
async function putBack({ folder }: Workplace): Promise<void> {
  await copyFile(
    join(folder, 'seen/metadata/timestamp.json'),
    join(folder, 'R/metadata/timestamp.json'),
  );
}

async function versions(workplace: Workplace): Promise<readonly string[]> {
  const { releases } = JSON.parse(await workplace.must('release', 'list', 'file:R', '--json'));
  return releases.map(({ version }: { version: string }) => version);
}

async function publishNext(workplace: Workplace): Promise<void> {
  await writeImages(workplace, '1.2.0');
  const argv = publishArguments('1.2.0');
  await workplace.must(...argv.map((text) => text.replace('online.pem', 'online2.pem')));
}

describe('repo recover after a theft of the online key', () => {
  it.each(ATTACKS)(
    '$attack: hosts follow again, and no release is lost',
    async ({ by, isBelieved }) => {
      await using world = await setup();
      const { workplace, host } = world;
      await by(world);
      const seen = host.read(DOCUMENT);
      expect(
        await seen.then(
          () => true,
          () => false,
        ),
      ).toBe(isBelieved);
      await putBack(workplace);
      await expect(recover(workplace)).resolves.toMatchObject({ code: 0 });
      expect(await host.read(DOCUMENT)).not.toEqual([null]);
      expect(await versions(workplace)).toEqual(['1.0.0', '1.1.0']);
      await publishNext(workplace);
      expect(await host.read(`${PLATFORM}-1.2.0-release.json`)).not.toEqual([null]);
      await workplace.must('repo', 'verify', 'file:R');
    },
  );
});

describe('repo recover on what the thief has published', () => {
  it('is enough where only versions of snapshot and timestamp were skipped', async () => {
    await using world = await setup();
    await publishSnapshot(world, 2 ** 31);
    await world.host.read(DOCUMENT);
    expect((await recover(world.workplace)).code).toBe(0);
    expect(await world.host.read(DOCUMENT)).not.toEqual([null]);
    expect(await versions(world.workplace)).toEqual(['1.0.0', '1.1.0']);
  });

  it('goes on where the rollouts role has used up the numbers', async () => {
    await using world = await setup();
    const meta = { ...world.state.snapshot.meta, 'rollouts.json': await lastRollouts(world) };
    await publishSnapshot(world, Number.MAX_SAFE_INTEGER, meta);
    await world.host.read('manifest.json');
    expect((await recover(world.workplace)).code).toBe(0);
    expect(await world.host.read('manifest.json', DOCUMENT)).not.toContain(null);
    await publishNext(world.workplace);
  });

  it('loses the releases that the thief hid, until they are published again', async () => {
    await using world = await setup();
    const { workplace } = world;
    const meta = { ...world.state.snapshot.meta, [RELEASES]: await formerReleases(world) };
    await publishSnapshot(world, 2 ** 31, meta);
    expect((await recover(workplace)).code).toBe(0);
    expect(await versions(workplace)).toEqual(['1.0.0']);
    const argv = publishArguments('1.1.0');
    await workplace.must(...argv.map((text) => text.replace('online.pem', 'online2.pem')));
    expect(await versions(workplace)).toEqual(['1.0.0', '1.1.0']);
    expect(await world.host.read(DOCUMENT)).not.toEqual([null]);
  });

  it('is refused where the snapshot names a file that nobody has', async () => {
    await using world = await setup();
    const nothing = metaFile(2 ** 31, contentOf(new Uint8Array(100)));
    await publishSnapshot(world, 2 ** 31, { ...world.state.snapshot.meta, [RELEASES]: nothing });
    const { code, stderr } = await recover(world.workplace);
    expect([code, stderr]).toEqual([1, expect.stringContaining('is published, but not there')]);
  });
});
