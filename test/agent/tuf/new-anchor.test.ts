import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readObject } from '../../../adapters/repository/objects.ts';
import { createMemoryStorage } from '../../../adapters/storage/memory.ts';
import { StorageError } from '../../../adapters/storage/storage.ts';
import type { Storage } from '../../../adapters/storage/storage.ts';
import { refreshRepository } from '../../../agent/tuf/client.ts';
import type { VerifiedRepository } from '../../../agent/tuf/client.ts';
import { collect } from '../../support/bytes.ts';
import { exampleRepository, openPatient } from '../../support/example-repository.ts';
import { hostWorld } from '../../support/host-world.ts';
import type { HostWorld } from '../../support/host-world.ts';
import { publishRoot } from '../../support/publish-root.ts';
import { tufOptionsOf } from '../../support/tuf-options.ts';

const DAY_MS = 86_400_000;
const FIRST = 'metadata/1.root.json';
const SECOND = 'metadata/2.root.json';

function refresh(world: HostWorld): Promise<VerifiedRepository> {
  return refreshRepository(tufOptionsOf(world));
}

/** What the next image of the host holds. */
async function trust(world: HostWorld, storage: Storage, name = FIRST): Promise<void> {
  const { bytes } = await readObject(storage, name, 100_000);
  await writeFile(join(world.folder, 'root.json'), bytes);
}

/** A new repository of the same people: other root keys, the same online key, and versions that begin anew. */
async function newRepository(): Promise<Storage> {
  const storage = createMemoryStorage();
  await exampleRepository(storage, (_, { root1 }) => ({
    root: { keys: [root1.key], threshold: 1 },
  }));
  return storage;
}

/** The host's address leads to another repository from now on. */
function serve(world: HostWorld, storage: Storage): void {
  world.tamper = async (path) => {
    try {
      const { body } = await storage.get(path.replace(/^\/repo\//, ''));
      return { status: 200, body: await collect(body) };
    } catch (error) {
      if (error instanceof StorageError) return { status: 404 };
      throw error;
    }
  };
}

/** The repository as it was before, in spite of what the host has seen. */
async function takeBack(world: HostWorld): Promise<() => void> {
  const { bytes } = await readObject(world.storage, 'metadata/timestamp.json', 100_000);
  return () => {
    world.tamper = (path) =>
      path.endsWith('/timestamp.json') ? { status: 200, body: bytes } : null;
  };
}

describe('a host whose new image has another trust anchor', () => {
  it('follows the new repository, though its versions are lower and its online key is the same', async () => {
    await using world = await hostWorld();
    await publishRoot(world, { version: 2 });
    await refresh(world);
    const next = await newRepository();
    await trust(world, next);
    serve(world, next);
    const repository = await refresh(world);
    expect(await repository.readTarget('manifest.json')).toBeDefined();
    expect(repository.damaged).toEqual([]);
    // And again, with what it remembers of it.
    expect((await refresh(world)).damaged).toEqual([]);
  });

  it('does not let the new repository go back either', async () => {
    await using world = await hostWorld();
    await refresh(world);
    const next = await newRepository();
    await trust(world, next);
    serve(world, next);
    const { bytes } = await readObject(next, 'metadata/timestamp.json', 100_000);
    const { online } = world.signers;
    const edit = () => ({ roles: new Map(), renew: ['timestamp' as const] });
    await openPatient(next).commit({ signers: [online], edit });
    await refresh(world);
    const served = world.tamper;
    world.tamper = (path, response) =>
      path.endsWith('/timestamp.json') ? { status: 200, body: bytes } : served(path, response);
    await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/rollback' });
  });

  it('goes back to the old repository with the old image', async () => {
    await using world = await hostWorld();
    await refresh(world);
    const next = await newRepository();
    await trust(world, next);
    serve(world, next);
    await refresh(world);
    await trust(world, world.storage);
    world.tamper = () => null;
    expect(await (await refresh(world)).readTarget('manifest.json')).toBeDefined();
  });

  it('keeps to the time that it has seen', async () => {
    await using world = await hostWorld();
    await refresh(world);
    const next = await newRepository();
    await trust(world, next);
    serve(world, next);
    world.now = new Date(world.now.getTime() - DAY_MS);
    await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/clock' });
  });

  it.each([
    { anchor: 'a newer root', name: SECOND },
    { anchor: 'the same root', name: FIRST },
  ])(
    'refuses a timestamp that goes back when the anchor is $anchor of the same repository',
    async ({ name }) => {
      await using world = await hostWorld();
      await publishRoot(world, { version: 2 });
      const goBack = await takeBack(world);
      await world.publish('1.2.0');
      await refresh(world);
      await trust(world, world.storage, name);
      goBack();
      await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/rollback' });
    },
  );

  it('refuses a chain of roots that was cut off when the anchor is an older root again', async () => {
    await using world = await hostWorld();
    await publishRoot(world, { version: 2 });
    await trust(world, world.storage, SECOND);
    await refresh(world);
    await trust(world, world.storage);
    world.tamper = (path) => (path.endsWith('/2.root.json') ? { status: 404 } : null);
    await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/rollback' });
  });
});
