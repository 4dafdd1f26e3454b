import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readObject } from '../../adapters/repository/objects.ts';
import { runCountedCycle } from '../../agent/counted-cycle.ts';
import { PowerFailHost } from '../power-fail/host.ts';
import { sendTo } from '../support/host-world.ts';
import type { HostWorld } from '../support/host-world.ts';
import { HOUR_MS } from '../support/rollouts.ts';

/** All that is published now, by the path at which a host asks for it. */
async function copyOf({ storage }: HostWorld): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for await (const { name } of storage.list('')) {
    files.set(`/repo/${name}`, (await readObject(storage, name, 1 << 20)).bytes);
  }
  return files;
}

/**
 * A host with GPT slots that ran 2.0.0, runs 2.2.0, which names no release to go back to, and then loses its state folder;
 * and the repository as it was when 2.2.0 was not published yet.
 */
async function setup() {
  const host = await PowerFailHost.open({ slots: 'gpt', sectorBytes: 512 });
  const { world } = host;
  const once = async () => runCountedCycle(await host.agent());
  await world.start('2.0.0');
  const old = await copyOf(world);
  await host.publish('2.2.0');
  const rollout = await world.start('2.2.0');
  world.answer = sendTo('2.2.0');
  await once();
  await host.boot();
  await expect(once()).resolves.toMatchObject({ result: 'updated', to: '2.2.0' });
  await rm(join(host.folder, 'state'), { recursive: true });
  const disk = () => readFile(join(host.folder, 'disk.img'));
  return { host, world, old, rollout, once, disk };
}

describe('a host whose state folder is lost', () => {
  it('learns from its slot and the signed documents what it runs, and goes on', async () => {
    const { host, world, once } = await setup();
    await using _ = host;
    await expect(once()).resolves.toMatchObject({ result: 'stayed', from: '2.2.0' });
    expect(world.events).toContainEqual({ event: 'adopted', details: { version: '2.2.0' } });
    await host.publish('2.3.0');
    await world.start('2.3.0');
    world.answer = sendTo('2.3.0');
    await expect(once()).resolves.toMatchObject({ result: 'ready', to: '2.3.0' });
    await host.boot();
    await expect(once()).resolves.toMatchObject({ result: 'updated', to: '2.3.0' });
  });

  it('is not sent below what its release permits by whoever has all online keys', async () => {
    const { host, world, rollout, once } = await setup();
    await using _ = host;
    const { release } = await world.start('2.0.0');
    const older: unknown = JSON.parse(JSON.stringify(await world.start('2.1.0')));
    await world.signManifest({
      ...{ updates: [], migrations: {} },
      rollouts: [
        {
          ...(typeof older === 'object' ? older : {}),
          ...{ id: rollout.id, state: 'rolled-back', sentBackTo: release },
          release: { ...rollout.release, rollbackTo: ['2.0.0'] },
        },
      ],
    });
    world.answer = sendTo('2.0.0', { rolloutId: rollout.id, direction: 'rollback' });
    await expect(once()).resolves.toMatchObject({
      ...{ result: 'refused', from: '2.2.0', to: '2.0.0', bytesFetched: 0 },
      reason: expect.stringContaining('agent/not-permitted'),
    });
    // It does not even look at it again for a while.
    await expect(once()).resolves.toMatchObject({ result: 'stayed', reason: 'backoff' });
  });

  it('stays, and writes nothing, while a mirror holds back the document of what it runs', async () => {
    const { host, world, old, once, disk } = await setup();
    await using _ = host;
    const before = await disk();
    world.answer = sendTo('2.0.0', { direction: 'rollback' });
    world.tamper = (path) => {
      if (path === '/api/v1/check-in') return null;
      const body = old.get(path);
      return body === undefined ? { status: 404 } : { status: 200, body };
    };
    await expect(once()).rejects.toMatchObject({
      ...{ code: 'agent/slots', hints: [expect.stringContaining('slots adopt')] },
    });
    world.tamper = (path) => (path.endsWith('2.2.0-release.json') ? { status: 404 } : null);
    await expect(once()).rejects.toMatchObject({ code: 'agent/not-there' });
    expect(Buffer.compare(await disk(), before)).toBe(0);
    world.tamper = () => null;
    world.answer = sendTo('2.2.0');
    world.now = new Date(world.now.getTime() + HOUR_MS);
    await expect(once()).resolves.toMatchObject({ result: 'stayed', from: '2.2.0' });
  });

  it('stays, and writes nothing, where what runs is no signed release', async () => {
    const { host, once, disk } = await setup();
    await using _ = host;
    const areas = (await host.areas()).get('disk.img') ?? [];
    const bytes = await disk();
    for (const { from } of areas) bytes.writeUInt8((bytes[from] ?? 0) ^ 1, from);
    await writeFile(join(host.folder, 'disk.img'), bytes);
    await expect(once()).rejects.toMatchObject({ code: 'agent/slots' });
    expect(Buffer.compare(await disk(), bytes)).toBe(0);
  });
});
