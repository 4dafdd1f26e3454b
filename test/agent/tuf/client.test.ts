import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { refreshRepository } from '../../../agent/tuf/client.ts';
import { newTimestamp } from '../../../core/tuf/edit.ts';
import { signMetadata } from '../../../adapters/repository/sign.ts';
import { rootTrust } from '../../../core/tuf/verify.ts';
import { NOW, PLATFORM } from '../../support/example-repository.ts';
import { hostWorld } from '../../support/host-world.ts';
import type { HostWorld } from '../../support/host-world.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { tufOptionsOf } from '../../support/tuf-options.ts';
import { openSimulator } from '../conformance-simulator.ts';

const DOCUMENT = 'aws-k8s-1.32-x86_64-1.1.0-release.json';
const TIMESTAMP = '/repo/metadata/timestamp.json';

async function published(world: HostWorld, name: string): Promise<Buffer> {
  const { body } = await world.storage.get(name);
  return Buffer.concat(await Array.fromAsync(body));
}

const later = (ms: number) => new Date(NOW.getTime() + ms);
const DAY_MS = 86_400_000;

describe('refreshRepository', () => {
  it('reads targets, says where images lie, and lists what is published', async () => {
    await using world = await hostWorld();
    const repository = await refreshRepository(tufOptionsOf(world));
    const document: unknown = JSON.parse(
      Buffer.from(await repository.readTarget(DOCUMENT)).toString(),
    );
    const image = await repository.targetInfo('aws-k8s-1.32-x86_64-1.1.0-hash');
    const bytes = await published(
      world,
      image?.url.slice(`${world.url}/repo/`.length) ?? 'missing',
    );
    expect(document).toMatchObject({ version: '1.1.0' });
    expect(bytes.length).toBe(image?.length);
    expect(repository.damaged).toEqual([]);
    await expect(repository.publishedVersions(PLATFORM)).resolves.toEqual(['1.0.0', '1.1.0']);
    await expect(
      repository.publishedVersions({ ...PLATFORM, variant: 'metal-dev' }),
    ).resolves.toEqual([]);
    await expect(
      repository.publishedVersions({ ...PLATFORM, variant: 'unknown' }),
    ).resolves.toEqual([]);
    await expect(repository.targetInfo('no-such-target')).resolves.toBeNull();
    await expect(repository.targetInfo('../root.json')).resolves.toBeNull();
  });

  it('asks two small things when nothing has changed', async () => {
    await using world = await hostWorld();
    await (await refreshRepository(tufOptionsOf(world))).publishedVersions(PLATFORM);
    world.requests.length = 0;
    await (await refreshRepository(tufOptionsOf(world))).publishedVersions(PLATFORM);
    expect(world.requests).toEqual(['/repo/metadata/2.root.json', TIMESTAMP]);
  });

  it('refuses a target whose bytes are not those listed', async () => {
    await using world = await hostWorld();
    const repository = await refreshRepository(tufOptionsOf(world));
    const { length = 0 } = (await repository.targetInfo(DOCUMENT)) ?? {};
    world.tamper = (path) =>
      path.endsWith(DOCUMENT) ? { status: 200, body: 'x'.repeat(length) } : null;
    await expect(repository.readTarget(DOCUMENT)).rejects.toMatchObject({ code: 'agent/metadata' });
    world.tamper = (path) =>
      path.endsWith(DOCUMENT) ? { status: 200, body: 'x'.repeat(length + 1) } : null;
    await expect(repository.readTarget(DOCUMENT)).rejects.toMatchObject({
      code: 'agent/too-large',
    });
  });

  it.each([
    {
      case: 'a timestamp of another key',
      code: 'agent/metadata',
      body: '{"signed":{},"signatures":[]}',
    },
    { case: 'a timestamp that is not JSON', code: 'agent/metadata', body: '<html>' },
    { case: 'an endless timestamp', code: 'agent/too-large', body: 'x'.repeat(20_000) },
  ])('refuses $case', async ({ body, code }) => {
    await using world = await hostWorld();
    world.tamper = (path) => (path === TIMESTAMP ? { status: 200, body } : null);
    await expect(refreshRepository(tufOptionsOf(world))).rejects.toMatchObject({ code });
  });

  it('tries again after 503 and 429, and gives up in the end', async () => {
    await using world = await hostWorld();
    const waits: number[] = [];
    const options = tufOptionsOf(world, { pause: async (ms) => waits.push(ms) });
    let failures = 2;
    world.tamper = (path, response) => {
      if (path !== TIMESTAMP || failures === 0) return null;
      failures -= 1;
      response.setHeader('retry-after', '7');
      return { status: failures === 1 ? 503 : 429 };
    };
    await refreshRepository(options);
    expect(waits).toHaveLength(2);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(7000);
    world.tamper = (path) => (path === TIMESTAMP ? { status: 500 } : null);
    await expect(refreshRepository(options)).rejects.toMatchObject({ code: 'agent/unreachable' });
  });

  it('does not ask again before a server that wants to be left alone for an hour', async () => {
    await using world = await hostWorld();
    const waits: number[] = [];
    const options = tufOptionsOf(world, { pause: async (ms) => waits.push(ms) });
    world.tamper = (_path, response) => {
      response.setHeader('retry-after', '3600');
      return { status: 503 };
    };
    await expect(refreshRepository(options)).rejects.toMatchObject({ code: 'agent/unreachable' });
    expect([waits, world.requests.length]).toEqual([[], 1]);
  });

  it.each([403, 404, 410])('takes %i for the end of the roots alone', async (status) => {
    await using world = await hostWorld();
    world.tamper = (path) => (path.endsWith('2.root.json') ? { status } : null);
    await expect(refreshRepository(tufOptionsOf(world))).resolves.toMatchObject({ damaged: [] });
    for (const file of ['timestamp.json', 'snapshot.json', 'targets.json']) {
      const folder = join(world.folder, file);
      world.tamper = (path) => (path.endsWith(file) ? { status } : null);
      await expect(refreshRepository(tufOptionsOf(world, { folder }))).rejects.toMatchObject({
        code: 'agent/not-there',
      });
    }
  });

  it('names its own error when a delegated role is not in the snapshot', async () => {
    await using simulator = await openSimulator();
    await using folder = await temporaryFolder();
    await simulator.delegate('absent', ['*']);
    Reflect.deleteProperty(simulator.roles, 'absent');
    await simulator.publish();
    const trustAnchor = join(folder.path, 'root.json');
    await writeFile(trustAnchor, simulator.files.get('metadata/1.root.json') ?? '');
    const { metadataUrl, targetsUrl } = simulator;
    const now = () => new Date('2026-03-01T00:00:00Z');
    const options = { metadataUrl, targetsUrl, trustAnchor, folder: join(folder.path, 'tuf'), now };
    const repository = await refreshRepository(options);
    await expect(repository.targetInfo('file')).rejects.toMatchObject({ code: 'agent/metadata' });
  });

  it('does not take a server error for the end of the chain of roots', async () => {
    await using world = await hostWorld();
    world.tamper = (path) => (path.endsWith('root.json') ? { status: 500 } : null);
    await expect(refreshRepository(tufOptionsOf(world))).rejects.toMatchObject({
      code: 'agent/unreachable',
    });
  });

  it('gives up a file that drips in for ever', async () => {
    await using world = await hostWorld();
    world.tamper = (path, response) => {
      if (path !== TIMESTAMP) return null;
      const drip = setInterval(() => response.write(' '), 10);
      response.on('close', () => {
        clearInterval(drip);
      });
      return 'handled';
    };
    await expect(refreshRepository(tufOptionsOf(world, { deadlineMs: 150 }))).rejects.toMatchObject(
      {
        code: 'agent/unreachable',
      },
    );
  });

  it('judges expiry by the time it is given, not by the system clock', async () => {
    await using world = await hostWorld();
    world.now = later(400 * DAY_MS);
    await expect(refreshRepository(tufOptionsOf(world))).rejects.toMatchObject({
      code: 'agent/expired',
    });
  });

  it('refuses a clock that went back, but not one that was set by minutes', async () => {
    await using world = await hostWorld();
    await refreshRepository(tufOptionsOf(world));
    world.now = new Date(world.now.getTime() - 5 * 60_000);
    await refreshRepository(tufOptionsOf(world));
    world.now = new Date(world.now.getTime() - DAY_MS);
    await expect(refreshRepository(tufOptionsOf(world))).rejects.toMatchObject({
      code: 'agent/clock',
    });
  });

  it.each([
    { lost: 'nothing', damage: [] },
    { lost: 'the metadata', damage: ['metadata.json'] },
    { lost: 'the floor', damage: ['floor.json'] },
  ])('refuses an old timestamp after losing $lost', async ({ damage }) => {
    await using world = await hostWorld();
    const old = await published(world, 'metadata/timestamp.json');
    await world.publish('1.2.0');
    await refreshRepository(tufOptionsOf(world));
    for (const file of damage) await writeFile(join(world.folder, 'tuf', file), 'torn');
    world.tamper = (path) => (path === TIMESTAMP ? { status: 200, body: old } : null);
    await expect(refreshRepository(tufOptionsOf(world))).rejects.toMatchObject({
      code: 'agent/rollback',
    });
  });

  it.each(['metadata.json', 'floor.json'])('says that %s is damaged, and goes on', async (file) => {
    await using world = await hostWorld();
    await refreshRepository(tufOptionsOf(world));
    const path = join(world.folder, 'tuf', file);
    await writeFile(path, (await readFile(path)).subarray(0, 40));
    const { damaged } = await refreshRepository(tufOptionsOf(world));
    expect(damaged).toEqual([path]);
    expect((await refreshRepository(tufOptionsOf(world))).damaged).toEqual([]);
  });

  it('remembers a timestamp that it verified although the snapshot could not be had', async () => {
    await using world = await hostWorld();
    const old = await published(world, 'metadata/timestamp.json');
    await world.publish('1.2.0');
    world.tamper = (path) => (path.endsWith('.snapshot.json') ? { status: 404 } : null);
    await expect(refreshRepository(tufOptionsOf(world))).rejects.toMatchObject({
      code: 'agent/not-there',
    });
    world.tamper = (path) => (path === TIMESTAMP ? { status: 200, body: old } : null);
    await expect(refreshRepository(tufOptionsOf(world))).rejects.toMatchObject({
      code: 'agent/rollback',
    });
  });

  it('refuses a timestamp signed by a key of another role', async () => {
    await using world = await hostWorld();
    await refreshRepository(tufOptionsOf(world));
    const foreign = await signedByTargetsKey(world);
    world.tamper = (path) => (path === TIMESTAMP ? { status: 200, body: foreign } : null);
    await expect(refreshRepository(tufOptionsOf(world))).rejects.toMatchObject({
      code: 'agent/metadata',
    });
  });

  it('says which file is missing when the anchor is not there', async () => {
    await using world = await hostWorld();
    const options = tufOptionsOf(world, { trustAnchor: join(world.folder, 'no-root.json') });
    await expect(refreshRepository(options)).rejects.toMatchObject({ code: 'agent/config' });
    await writeFile(join(world.folder, 'no-root.json'), '{"signed":{}}');
    await expect(refreshRepository(options)).rejects.toMatchObject({ code: 'agent/config' });
  });
});

/** A timestamp of a version far ahead, signed by a key that is not the timestamp's. */
async function signedByTargetsKey({ repository, signers }: HostWorld): Promise<Uint8Array> {
  const { snapshot, root } = await repository.load();
  const trust = { ...rootTrust(root, 'timestamp'), keyids: [signers.targets.keyId] };
  const timestamp = newTimestamp(
    { version: snapshot.version, length: 1, hashes: { sha256: '0'.repeat(64) } },
    { version: 900, expires: '2041-01-01T00:00:00Z' },
  );
  const withKey = { ...trust, keys: { [signers.targets.keyId]: signers.targets.key } };
  const { bytes } = await signMetadata('timestamp', timestamp, {
    trust: withKey,
    signers: [signers.targets],
  });
  return bytes;
}
