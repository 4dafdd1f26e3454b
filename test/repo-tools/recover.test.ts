import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openStorage } from '../../adapters/storage/open.ts';
import { parseSnapshot } from '../../core/tuf/metadata.ts';
import type { MetaFile } from '../../core/tuf/metadata.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { publishAsThief } from '../support/online-thief.ts';
import { initRepository, PLATFORM, publishVersion } from '../support/small-repository.ts';
import { openTufClient } from '../support/tuf-client.ts';

const RELEASES = 'releases-aws-k8s-1.32-x86_64';
const FAR = 2 ** 31;
const IMAGE_OF_1_0_0 = 'aws-k8s-1.32-x86_64-1.0.0-boot';
const IMAGE_OF_1_1_0 = 'aws-k8s-1.32-x86_64-1.1.0-boot';

/** A repository R with release 1.0.0, and the key that shall take over. */
async function setup(): Promise<Workplace> {
  const workplace = await makeWorkplace();
  // tuf-js reads the real clock.
  workplace.now = new Date();
  await initRepository(workplace);
  await workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/online2.pem');
  await publishVersion(workplace, '1.0.0');
  return workplace;
}

const RECOVER = [
  ...['repo', 'recover', 'file:R', '--new-online-key', 'file:K/online2.pem', '--reason', 'stolen'],
  ...['--sign-with', 'file:K/root1.pem', 'file:K/root2.pem', 'file:K/targets.pem'],
  ...['--online-key', 'file:K/online2.pem'],
] as const;

async function clientOf({ folder, env }: Workplace) {
  const storage = await openStorage('file:R', { access: 'read', cwd: folder, env });
  return openTufClient(storage, await readFile(join(folder, 'R/metadata/1.root.json')));
}

async function statusOf(workplace: Workplace) {
  return JSON.parse(await workplace.must('repo', 'status', 'file:R', '--json'));
}

async function versionsOf(workplace: Workplace): Promise<Readonly<Record<string, number>>> {
  const { roles } = await statusOf(workplace);
  return Object.fromEntries(
    roles.map(({ role, version }: { role: string; version: number }) => [role, version]),
  );
}

async function releasesIn(workplace: Workplace): Promise<readonly string[]> {
  const { releases } = await statusOf(workplace);
  return releases.map(({ version }: { version: string }) => version);
}

/** What the published snapshot says of a role. */
async function entryOf(workplace: Workplace, role: string): Promise<MetaFile> {
  const { snapshot } = await versionsOf(workplace);
  const name = `R/metadata/${snapshot}.snapshot.json`;
  const { signed } = parseSnapshot(await readFile(join(workplace.folder, name)), name);
  const entry = signed.meta[`${role}.json`];
  if (entry === undefined) throw new Error(`${name} says nothing of ${role}`);
  return entry;
}

/** 1.0.0 was withdrawn and 1.1.0 published, which a copy of the metadata knows; the thief shows the state before. */
async function bringOldReleasesBack(workplace: Workplace): Promise<void> {
  const old = await entryOf(workplace, RELEASES);
  await publishVersion(workplace, '1.1.0');
  await workplace.must(
    ...['release', 'withdraw', 'file:R', ...PLATFORM, '--version', '1.0.0', '--reason', 'leaks'],
    ...['--release-key', 'file:K/release.pem', '--online-key', 'file:K/online.pem'],
  );
  await workplace.must('repo', 'verify', 'file:R', '--save', 'copy');
  await publishAsThief(workplace, { version: FAR, meta: { [`${RELEASES}.json`]: old } });
}

/** What a person does first: the last timestamp that was good is put where the thief's is. */
async function putGoodTimestampBack({ folder }: Workplace): Promise<void> {
  await copyFile(
    join(folder, 'copy/metadata/timestamp.json'),
    join(folder, 'R/metadata/timestamp.json'),
  );
}

describe('repo recover after the online key was stolen', () => {
  it.each([
    { case: 'far ahead', version: FAR },
    { case: 'to the last number', version: Number.MAX_SAFE_INTEGER },
  ])('takes hosts out of versions that were skipped $case', async ({ version }) => {
    await using workplace = await setup();
    await using client = await clientOf(workplace);
    await publishAsThief(workplace, { version, rollouts: version });
    await client.read('manifest.json');
    await workplace.must(...RECOVER);
    expect(await client.read('manifest.json')).not.toEqual([null]);
    expect(await versionsOf(workplace)).toMatchObject({ rollouts: 2, snapshot: 3, timestamp: 1 });
    await workplace.must('repo', 'verify', 'file:R');
  });

  it('warns of old releases that the thief brought back, and publishes them', async () => {
    await using workplace = await setup();
    await bringOldReleasesBack(workplace);
    const { code, stderr } = await workplace.run(...RECOVER);
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining(RELEASES) });
    expect(await releasesIn(workplace)).toEqual(['1.0.0']);
  });

  it('undoes the return of old releases from the good timestamp, for hosts that saw it too', async () => {
    await using workplace = await setup();
    await bringOldReleasesBack(workplace);
    await using client = await clientOf(workplace);
    await client.read('manifest.json');
    const compared = await workplace.run('repo', 'verify', 'file:R', '--since', 'copy');
    expect(compared).toMatchObject({ code: 70, stderr: expect.stringContaining(RELEASES) });
    await putGoodTimestampBack(workplace);
    expect(await workplace.run(...RECOVER)).toMatchObject({ code: 0, stderr: '' });
    expect(await releasesIn(workplace)).toEqual(['1.0.0', '1.1.0']);
    expect(await client.read(IMAGE_OF_1_0_0, IMAGE_OF_1_1_0)).toEqual([null, 'boot image 1.1.0']);
    await workplace.must('repo', 'verify', 'file:R', '--since', 'copy');
  });

  it('does not warn of a newer file that the role has not signed', async () => {
    await using workplace = await setup();
    const { folder } = workplace;
    const [published] = (await readdir(join(folder, 'R/metadata'))).filter((name) =>
      name.endsWith(`${RELEASES}.json`),
    );
    const bytes = await readFile(join(folder, 'R/metadata', published ?? ''), 'utf8');
    const forged = bytes.replace(/"version":\d+\}/, '"version":77}');
    expect(forged).not.toBe(bytes);
    await writeFile(join(folder, `R/metadata/77.${RELEASES}.json`), forged);
    await writeFile(join(folder, `R/metadata/78.${RELEASES}.json`), 'nothing');
    expect(await workplace.run(...RECOVER)).toMatchObject({ code: 0, stderr: '' });
  });

  it('mends a snapshot that names what is not there, from the good timestamp', async () => {
    await using workplace = await setup();
    await workplace.must('repo', 'verify', 'file:R', '--save', 'copy');
    const targets = await entryOf(workplace, 'targets');
    await publishAsThief(workplace, {
      version: FAR,
      meta: { 'targets.json': { ...targets, version: FAR } },
    });
    await using client = await clientOf(workplace);
    await expect(client.read('manifest.json')).rejects.toThrow();
    expect((await workplace.run(...RECOVER)).stderr).toContain(`${FAR}.targets.json`);
    await putGoodTimestampBack(workplace);
    await workplace.must(...RECOVER);
    expect(await client.read('manifest.json')).not.toEqual([null]);
    await workplace.must('repo', 'verify', 'file:R', '--since', 'copy');
  });
});
