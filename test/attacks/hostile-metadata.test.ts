import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { readObject } from '../../adapters/repository/objects.ts';
import { writeChecked } from '../../agent/durable.ts';
import { provision } from '../../agent/provision.ts';
import { TrustedStore } from '../../agent/tuf/trusted-store.ts';
import { anchorIdOf } from '../../agent/tuf/anchor.ts';
import { openPatient } from '../support/example-repository.ts';
import { HostWorld, hostWorld, sendTo } from '../support/host-world.ts';
import { publishEvil, EVIL } from '../support/key-thief.ts';
import { mortalStorage } from '../support/mortal-storage.ts';
import { publishRoot } from '../support/publish-root.ts';
import { DAY_MS, HOUR_MS } from '../support/rollouts.ts';
import { seededSigner } from '../support/seeded-signer.ts';
import { endless, once, updatingHost } from '../support/updating-host.ts';

/** A host on 1.0.0 that is sent to 1.1.0, and has seen nothing of it yet. */
async function setup(): Promise<HostWorld> {
  const world = await updatingHost();
  world.requests.length = 0;
  return world;
}

/** The host stays as it is, says why, and asks for no image; once everybody is honest it updates. */
async function expectHeld(world: HostWorld, code: string): Promise<void> {
  const result = await once(world);
  expect(result).toMatchObject({ result: 'failed', bytesFetched: 0 });
  expect(result.reason).toContain(code);
  expect(world.imageRequests).toEqual([]);
  await expect(world.activeVersion()).resolves.toBe('1.0.0');
  world.tamper = () => null;
  world.now = new Date(world.now.getTime() + HOUR_MS);
  await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
}

async function objectOf(world: HostWorld, name: string): Promise<Uint8Array> {
  return (await readObject(world.storage, name, 1 << 20)).bytes;
}

const FILES = [
  'timestamp.json',
  '2.root.json',
  '.snapshot.json',
  '.rollouts.json',
  '.manifest.json',
  '1.1.0-release.json',
];

describe('an attacker who wants a host to install anything (TUF: arbitrary installation)', () => {
  it('cannot swap the trust anchor by what he writes into the store of the agent', async () => {
    await using world = await setup();
    const state = await world.repository.load();
    const thief = await seededSigner('thief');
    // All that his own root would lead to is there, and it is he who writes that this root was followed already.
    await publishEvil(world.storage, state, { stolen: [thief], thief, isBrazen: true });
    const own = Buffer.from(await objectOf(world, 'metadata/2.root.json')).toString();
    const folder = join(world.folder, 'state', 'tuf');
    const { metadata } = await new TrustedStore(folder).read();
    const forged = { ...metadata, roots: { '2': own }, anchor: anchorIdOf(own) };
    await writeChecked(join(folder, 'metadata.json'), forged);
    await writeFile(join(folder, 'scratch', 'root.json'), own);
    world.tamper = (path) => (path.endsWith('2.root.json') ? { status: 404 } : null);
    world.answer = sendTo(EVIL, { rolloutId: `rollout-${EVIL}` });
    await expect(once(world)).resolves.toMatchObject({ result: 'failed', bytesFetched: 0 });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });

  it('does not reach a threshold with one key under two ids', async () => {
    await using world = await setup();
    const { key } = world.signers.root3;
    if (key.keytype !== 'rsa') throw new Error('this key must be PEM');
    const again = { ...key, keyval: { public: key.keyval.public.trimEnd() } };
    await publishRoot(world, { version: 2, moreKeys: [again] });
    await expect(once(world)).resolves.toMatchObject({
      ...{ result: 'failed', bytesFetched: 0 },
      reason: expect.stringContaining('agent/metadata'),
    });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });
});

describe('a server that never ends (TUF: endless data)', () => {
  it.each(FILES)('is cut off in the middle of %s', async (file) => {
    await using world = await setup();
    const answer = endless(file);
    world.tamper = answer.tamper;
    await expectHeld(world, 'agent/too-large');
    expect(answer.sent).toBeLessThan(32 << 20);
  });

  it('cannot hide a bomb in a compressed answer', async () => {
    await using world = await setup();
    const bomb = gzipSync(Buffer.alloc(1 << 24));
    world.tamper = (path, response) => {
      if (!path.endsWith('timestamp.json')) return null;
      response.setHeader('content-encoding', 'gzip');
      return { status: 200, body: bomb };
    };
    await expectHeld(world, 'agent/answer');
  });

  it('cannot lie about the length', async () => {
    await using world = await setup();
    world.tamper = (path, response) => {
      if (!path.endsWith('timestamp.json')) return null;
      response.writeHead(200, { 'content-length': 1 << 30 });
      response.write('{', () => response.destroy());
      return 'handled';
    };
    await expectHeld(world, 'agent/unreachable');
  });
});

describe('a mirror that mixes times (TUF: mix and match)', () => {
  it.each([
    { file: 'snapshot', code: 'agent/metadata' },
    { file: 'rollouts', code: 'agent/metadata' },
    { file: 'releases-aws-k8s-1.32-x86_64', code: 'agent/metadata' },
  ])('is refused an older $file under the name of the new one', async ({ file, code }) => {
    await using world = await setup();
    const names = (await Array.fromAsync(world.storage.list('metadata/'))).map(({ name }) => name);
    const versions = names.filter((name) => name.endsWith(`.${file}.json`));
    const newest = Math.max(...versions.map((name) => Number(/(\d+)\./.exec(name)?.[1])));
    expect(newest).toBeGreaterThan(1);
    const old = await objectOf(world, `metadata/${newest - 1}.${file}.json`);
    // A host that begins now has no older file of its own to compare with.
    await rm(join(world.folder, 'state', 'tuf'), { recursive: true });
    world.tamper = (path) =>
      path.endsWith(`/${newest}.${file}.json`) ? { status: 200, body: old } : null;
    await expectHeld(world, code);
  });

  it('gets no help from a publisher who dies at any put: a host sees the old or the new, whole', async () => {
    let published = false;
    for (let at = 1; !published; at += 1) {
      await using world = await hostWorld({ isStatic: true });
      await provision(await world.agent(), '1.0.0');
      const mortal = mortalStorage(world.storage);
      const { folder, signers, now } = world;
      const repository = openPatient(mortal);
      const publisher = new HostWorld({ folder, signers, now, storage: mortal, repository }, {});
      const died = mortal.killAt(at, at % 2 === 0 ? 'after' : 'before').then(() => false);
      published = await Promise.race([publisher.publish('1.2.0').then(() => true), died]);
      await expect(once(world)).resolves.toMatchObject({ result: 'stayed', from: '1.0.0' });
      await world.publish('1.2.0');
      await world.start('1.2.0');
      await expect(once(world)).resolves.toMatchObject({ result: 'updated', to: '1.2.0' });
      if (published) expect(at).toBeGreaterThan(5);
    }
  });
});

describe('a mirror that holds time still (TUF: indefinite freeze)', () => {
  it('gains nothing by a clock that was set back to when its metadata was fresh', async () => {
    await using world = await setup();
    const fresh = world.now;
    const poll = async (days: number) => {
      world.now = new Date(fresh.getTime() + days * DAY_MS);
      return once(world);
    };
    world.tamper = (path) => (path.endsWith('1.1.0-release.json') ? { status: 404 } : null);
    expect((await poll(6)).reason).toContain('agent/unreachable');
    // By then it is over, and the mirror has nothing newer to show.
    expect((await poll(8)).reason).toContain('agent/expired');
    const held = await poll(0);
    expect(held).toMatchObject({ result: 'failed', bytesFetched: 0 });
    expect(held.reason).toContain('agent/clock');
    // Time servers step so far.
    world.now = new Date(fresh.getTime() + 6 * DAY_MS - 9 * 60_000);
    expect((await once(world)).reason).toContain('agent/unreachable');
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });

  it('is told of as the reason why nothing happens', async () => {
    await using world = await setup();
    world.now = new Date(world.now.getTime() + 400 * DAY_MS);
    await once(world);
    const { journal } = await world.agent();
    expect((await journal.readLastPoll())?.reason).toContain('agent/expired');
  });
});

describe('a mirror that goes back (TUF: rollback)', () => {
  it('cannot send a host below what its release permits, even when the agent lost all that it knew', async () => {
    await using world = await hostWorld({ isStatic: true });
    await provision(await world.agent(), '1.0.0');
    await world.start('1.0.0');
    const old = new Map<string, Uint8Array>();
    await world.publish('1.2.0');
    for (const { name } of await Array.fromAsync(world.storage.list(''))) {
      old.set(`/repo/${name}`, await objectOf(world, name));
    }
    await world.start('1.2.0');
    await expect(once(world)).resolves.toMatchObject({ result: 'updated', to: '1.2.0' });
    await rm(join(world.folder, 'state'), { recursive: true });
    world.tamper = (path) => {
      const body = old.get(path);
      return body === undefined ? { status: 404 } : { status: 200, body };
    };
    const { result } = await once(world);
    expect(['stayed', 'refused']).toContain(result);
    await expect(world.activeVersion()).resolves.toBe('1.2.0');
  });
});

describe('a host that slept for years (TUF: key compromise)', () => {
  it.each([1, 2, 3])(
    'follows the roots from version %i on, though some have expired',
    async (from) => {
      await using world = await hostWorld();
      const expires = '2030-01-01T00:00:00Z';
      const roots = [
        await readFile(join(world.folder, 'root.json')),
        await publishRoot(world, { version: 2, expires }),
        await publishRoot(world, { version: 3, expires }),
        await publishRoot(world, { version: 4 }),
      ];
      await writeFile(join(world.folder, 'root.json'), roots[from - 1] ?? '');
      await provision(await world.agent(), '1.0.0');
      await world.start('1.1.0');
      world.answer = sendTo('1.1.0');
      await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
    },
  );

  it('does not stop at a root that has expired', async () => {
    await using world = await setup();
    await publishRoot(world, { version: 2, expires: '2030-01-01T00:00:00Z' });
    await expect(once(world)).resolves.toMatchObject({
      ...{ result: 'failed', bytesFetched: 0 },
      reason: expect.stringContaining('agent/expired'),
    });
    await publishRoot(world, { version: 3 });
    await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
  });
});
