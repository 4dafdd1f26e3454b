import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { loadState } from '../../adapters/repository/load.ts';
import { readObject, targetObject } from '../../adapters/repository/objects.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { RepositoryEdit } from '../../adapters/repository/repository.ts';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { collectGarbage } from '../../repo-tools/gc.ts';
import type { GcReport } from '../../repo-tools/gc.ts';
import { contentOf } from '../../core/tuf/verify.ts';
import { makeWorkplace } from '../support/cli.ts';
import { exampleRepository, NOW, RELEASES } from '../support/example-repository.ts';
import { faultyStorage } from '../support/faulty-storage.ts';
import { objectsOf } from '../support/objects-of.ts';
import { initRepository, ONLINE, PLATFORM, publishVersion } from '../support/small-repository.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const KEEP_FOR_MS = 2 * DAY_MS;
const TIMESTAMP = 'metadata/timestamp.json';
const IMAGE = 'aws-k8s-1.32-x86_64-1.0.0-boot';

/** A repository whose store has a clock that the test turns on. */
async function setup() {
  let now = NOW;
  const storage = createMemoryStorage([], () => now);
  const { signers } = await exampleRepository(storage);
  const repositoryOn = (on: Storage) =>
    openRepository({ storage: on, now: () => now, sleep: async () => {} });
  const commit = async (edit: RepositoryEdit, on: Storage = storage) =>
    repositoryOn(on).commit({ signers: [signers.online, signers.release], edit: () => edit });
  return {
    storage,
    now: () => now,
    wait: (days: number) => {
      now = new Date(now.getTime() + days * DAY_MS);
    },
    commit,
    publish: (name: string, on?: Storage) =>
      commit(
        { roles: new Map([[RELEASES, { addFiles: [{ name, bytes: Buffer.from(name) }] }]]) },
        on,
      ),
    unlist: (name: string) => commit({ roles: new Map([[RELEASES, { remove: [name] }]]) }),
    renew: (...renew: readonly ('snapshot' | 'timestamp')[]) => commit({ roles: new Map(), renew }),
    gc: (on: Storage = storage, isDryRun = false): Promise<GcReport> =>
      collectGarbage(repositoryOn(on), { now, keepForMs: KEEP_FOR_MS }, isDryRun),
  };
}

function objectOf(name: string): string {
  return targetObject(name, contentOf(Buffer.from(name)).hashes.sha256);
}

/** The host side: the very update that a host ends with that has this timestamp, with all files that it names. */
async function completeUpdate(storage: Storage, timestamp: Uint8Array): Promise<void> {
  const held = createMemoryStorage([[TIMESTAMP, timestamp]]);
  const seen = {
    ...passing(storage),
    get: (name: string) => (name === TIMESTAMP ? held : storage).get(name),
  };
  const { state } = await loadState({ storage: seen, cache: new Map(), trustedRoot: null });
  for (const { targets } of [state.targets, ...state.delegated.values()]) {
    for (const [name, { hashes }] of Object.entries(targets)) {
      await storage.stat(targetObject(name, hashes.sha256));
    }
  }
}

function passing(inner: Storage): Storage {
  return {
    url: inner.url,
    stat: (name) => inner.stat(name),
    get: (name, range) => inner.get(name, range),
    put: (name, bytes, options) => inner.put(name, bytes, options),
    putStream: (name, source, options) => inner.putStream(name, source, options),
    list: (prefix) => inner.list(prefix),
    delete: (name) => inner.delete(name),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Dies at the n-th deletion (from 1). */
function dyingAtDelete(inner: Storage, n: number): Storage {
  let left = n;
  return {
    ...passing(inner),
    delete: async (name) => {
      left -= 1;
      if (left <= 0) throw new StorageError('storage/unavailable', 'injected fault');
      await inner.delete(name);
    },
  };
}

describe('collectGarbage', () => {
  it('removes a withdrawn image with the metadata that named it, once all of that has expired', async () => {
    const { storage, publish, unlist, wait, renew, gc } = await setup();
    await publish(IMAGE);
    await unlist(IMAGE);
    wait(29);
    await renew('snapshot', 'timestamp');
    expect((await gc()).removed).toEqual([]);
    wait(3);
    await renew('timestamp');
    expect((await gc()).removed.map(({ name }) => name)).toEqual([
      'metadata/1.snapshot.json',
      'metadata/2.snapshot.json',
      'metadata/3.snapshot.json',
      `metadata/1.${RELEASES}.json`,
      `metadata/2.${RELEASES}.json`,
      objectOf(IMAGE),
    ]);
    const left = Object.keys(await objectsOf(storage));
    expect(left).toContain('metadata/1.root.json');
    expect(left).toContain(`metadata/3.${RELEASES}.json`);
  });

  it('tells in a dry run exactly what the next run removes, and removes nothing', async () => {
    const { storage, publish, unlist, wait, renew, gc } = await setup();
    await publish(IMAGE);
    await unlist(IMAGE);
    wait(29);
    await renew('snapshot', 'timestamp');
    wait(3);
    await renew('timestamp');
    const before = await objectsOf(storage);
    const told = await gc(storage, true);
    expect(await objectsOf(storage)).toEqual(before);
    expect(told.removed).not.toEqual([]);
    expect(await gc()).toEqual(told);
    expect((await gc()).removed).toEqual([]);
  });

  it('keeps what a publisher at work has written, and removes it when the publisher never came back', async () => {
    const { storage, publish, wait, renew, gc } = await setup();
    const dying = faultyStorage(storage);
    // The image, its role and the snapshot get there, the timestamp does not.
    dying.crashAt(4, 'before');
    await expect(publish(IMAGE, dying)).rejects.toMatchObject({
      code: 'repository/unknown-outcome',
    });
    wait(1);
    expect((await gc()).removed).toEqual([]);
    wait(28);
    await renew('snapshot', 'timestamp');
    wait(4);
    await renew('timestamp');
    expect((await gc()).removed.map(({ name }) => name)).toContain(objectOf(IMAGE));
  });

  it('never touches names that are not of a repository, or roots', async () => {
    const { storage, wait, renew, gc } = await setup();
    const names = ['notes.txt', 'metadata/notes.json', 'metadata/01.x.json', 'targets/notes.txt'];
    names.push('metadata/9.root.json', 'metadata/9.timestamp.json');
    for (const name of names) {
      const condition = { kind: 'create-only' } as const;
      await storage.put(name, Buffer.from('x'), { condition, cacheControl: 'immutable' });
    }
    wait(29);
    await renew('snapshot', 'timestamp');
    wait(6);
    await gc();
    expect(Object.keys(await objectsOf(storage))).toEqual(expect.arrayContaining(names));
  });

  it('plans anew when somebody publishes what it was about to remove', async () => {
    const { storage, publish, unlist, wait, renew, gc } = await setup();
    await publish(IMAGE);
    await unlist(IMAGE);
    wait(29);
    await renew('snapshot', 'timestamp');
    wait(3);
    await renew('timestamp');
    let isFirst = true;
    const crowded: Storage = {
      ...passing(storage),
      stat: async (name) => {
        if (name === TIMESTAMP && isFirst) {
          isFirst = false;
          await publish(IMAGE);
        }
        return storage.stat(name);
      },
    };
    const { removed } = await gc(crowded);
    expect(removed.map(({ name }) => name)).not.toContain(objectOf(IMAGE));
    expect(removed).not.toEqual([]);
    await storage.stat(objectOf(IMAGE));
  });

  it('says so when a publisher used a file again just as it was removed', async () => {
    const { storage, publish, unlist, wait, renew, gc } = await setup();
    await publish(IMAGE);
    await unlist(IMAGE);
    wait(29);
    await renew('snapshot', 'timestamp');
    wait(3);
    await renew('timestamp');
    const racing: Storage = {
      ...passing(storage),
      delete: async (name) => {
        if (name === objectOf(IMAGE)) await publish(IMAGE);
        await storage.delete(name);
      },
    };
    await expect(gc(racing)).rejects.toMatchObject({ code: 'gc/lost' });
  });

  it('removes nothing when the timestamp has expired: the clock may be wrong', async () => {
    const { storage, publish, wait, gc } = await setup();
    await publish(IMAGE);
    wait(400);
    const before = await objectsOf(storage);
    await expect(gc()).rejects.toMatchObject({ code: 'tuf/expired' });
    expect(await objectsOf(storage)).toEqual(before);
  });

  it('removes nothing when it cannot read a snapshot that may name something', async () => {
    const { storage, wait, renew, gc } = await setup();
    const condition = { kind: 'create-only' } as const;
    await storage.put('metadata/7.snapshot.json', Buffer.from('{'), {
      condition,
      cacheControl: 'immutable',
    });
    wait(5);
    await renew('timestamp');
    await expect(gc()).rejects.toMatchObject({ code: 'gc/unreadable' });
  });

  it('leaves every host with a valid timestamp its update, wherever it is killed', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('publish' as const), image: fc.nat(3) }),
      fc.record({ kind: fc.constant('unlist' as const), image: fc.nat(3) }),
      fc.record({
        kind: fc.constant('crash' as const),
        image: fc.nat(3),
        put: fc.integer({ min: 1, max: 4 }),
      }),
      fc.record({
        kind: fc.constant('wait' as const),
        days: fc.integer({ min: 1, max: 20 }),
        isSnapshotRenewed: fc.boolean(),
      }),
    );
    const history = fc.array(step, { minLength: 5, maxLength: 25 });
    let deletions = 0;
    await fc.assert(
      fc.asyncProperty(history, fc.integer({ min: 1, max: 8 }), async (steps, killAt) => {
        const { storage, now, wait, publish, unlist, renew, gc } = await setup();
        const hosts: { readonly timestamp: Uint8Array; readonly until: Date }[] = [];
        const hostComes = async () => {
          const { bytes } = await readObject(storage, TIMESTAMP, 100_000);
          const { state } = await loadState({ storage, cache: new Map(), trustedRoot: null });
          const ends = [state.timestamp.expires, state.snapshot.expires].map((at) => new Date(at));
          hosts.push({ timestamp: bytes, until: ends.toSorted((a, b) => +a - +b)[0] ?? now() });
        };
        const allHostsUpdate = async () => {
          for (const { timestamp, until } of hosts) {
            if (until > now()) await completeUpdate(storage, timestamp);
          }
        };
        for (const each of steps) {
          switch (each.kind) {
            case 'publish':
              await publish(`${IMAGE}${each.image}`);
              break;
            case 'unlist':
              await unlist(`${IMAGE}${each.image}`);
              break;
            case 'crash': {
              const dying = faultyStorage(storage);
              dying.crashAt(each.put, 'before');
              await publish(`${IMAGE}${each.image}`, dying).catch(() => undefined);
              break;
            }
            case 'wait':
              wait(each.days);
              await renew(...(each.isSnapshotRenewed ? (['snapshot'] as const) : []), 'timestamp');
              break;
          }
          await hostComes();
          if (each.kind !== 'wait') continue;
          await gc(dyingAtDelete(storage, killAt)).catch((error: unknown) => {
            if (!(error instanceof StorageError)) throw error;
          });
          await allHostsUpdate();
          deletions += (await gc()).removed.length;
          await allHostsUpdate();
        }
      }),
      { numRuns: 20, seed: 20_260_301 },
    );
    // A test in which nothing is ever removed proves nothing.
    expect(deletions).toBeGreaterThan(20);
  });
});

describe('tidegate repo gc', () => {
  it('frees a folder, after a dry run that says the same, and the repository still verifies', async () => {
    await using workplace = await makeWorkplace();
    // Files get the time of the real clock.
    workplace.now = new Date();
    await initRepository(workplace);
    await publishVersion(workplace, '1.0.0');
    workplace.now = new Date(workplace.now.getTime() + 40 * DAY_MS);
    await workplace.must('repo', 'refresh', 'file:R', '--key', 'file:K/online.pem');
    const dry = JSON.parse(await workplace.must('repo', 'gc', 'file:R', '--dry-run', '--json'));
    const before = await readdir(join(workplace.folder, 'R/metadata'));
    const done = JSON.parse(await workplace.must('repo', 'gc', 'file:R', '--json'));
    expect(done).toEqual({ ...dry, dryRun: false });
    expect(done.removed).not.toEqual([]);
    const after = await readdir(join(workplace.folder, 'R/metadata'));
    expect(after).toHaveLength(
      before.length -
        done.removed.filter(({ name }: { name: string }) => name.startsWith('metadata/')).length,
    );
    await workplace.must('repo', 'verify', 'file:R');
    expect(await workplace.must('repo', 'gc', 'file:R')).toMatch(/^0 objects \(0 B\) removed/);
  });

  it('keeps the documents that an amendment and a withdrawal replaced, for whoever audits them', async () => {
    await using workplace = await makeWorkplace();
    workplace.now = new Date();
    await initRepository(workplace);
    await publishVersion(workplace, '1.0.0');
    const release = ['file:R', ...PLATFORM, '--version', '1.0.0'];
    const signing = ['--release-key', 'file:K/release.pem', ...ONLINE, '--reason', 'a test'];
    await workplace.must('release', 'amend', ...release, ...signing, '--notes', 'https://a.test/1');
    await workplace.must('release', 'withdraw', ...release, ...signing);
    workplace.now = new Date(workplace.now.getTime() + 40 * DAY_MS);
    await workplace.must('repo', 'refresh', 'file:R', '--key', 'file:K/online.pem');
    expect(JSON.parse(await workplace.must('repo', 'gc', 'file:R', '--json')).removed).not.toEqual(
      [],
    );
    const left = await readdir(join(workplace.folder, 'R/targets'));
    expect(left.filter((name) => name.endsWith('-release.json'))).toHaveLength(3);
    expect(left.filter((name) => name.endsWith('-boot'))).toEqual([]);
  });

  it.each(['soon', '23 hours', '0 days'])('refuses --keep-for %s', async (keepFor) => {
    await using workplace = await makeWorkplace();
    const { code } = await workplace.run('repo', 'gc', 'file:R', '--keep-for', keepFor);
    expect(code).toBe(2);
  });
});
