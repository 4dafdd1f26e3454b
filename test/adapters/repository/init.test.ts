import { describe, expect, it } from '@jest/globals';
import { initRepository } from '../../../adapters/repository/init.ts';
import { createMemoryStorage } from '../../../adapters/storage/memory.ts';
import type { Storage } from '../../../adapters/storage/storage.ts';
import { lint } from '../../../core/tuf/lint.ts';
import {
  exampleRepository,
  exampleSigners,
  FIRST_MANIFEST,
  initOptions,
  NOW,
  openPatient,
  PLATFORM,
  RELEASES,
} from '../../support/example-repository.ts';
import { faultyStorage } from '../../support/faulty-storage.ts';
import { openTufClient } from '../../support/tuf-client.ts';

const FILES = [
  'metadata/1.root.json',
  'metadata/1.targets.json',
  'metadata/1.rollouts.json',
  `metadata/1.${RELEASES}.json`,
  'metadata/1.snapshot.json',
  'metadata/timestamp.json',
];

async function namesIn(storage: Storage): Promise<readonly string[]> {
  const names = [];
  for await (const { name } of storage.list('')) names.push(name);
  return names;
}

describe('initRepository', () => {
  it('makes a repository that tuf-js reads', async () => {
    const storage = createMemoryStorage();
    const { firstRoot } = await exampleRepository(storage);
    await using client = await openTufClient(storage, firstRoot);
    expect(await client.read('manifest.json', 'aws-k8s-1.32-x86_64-1.0.0-root')).toEqual([
      FIRST_MANIFEST,
      null,
    ]);
    const names = await namesIn(storage);
    expect(names.filter((name) => name.startsWith('metadata/'))).toEqual(FILES.toSorted());
    expect(names).toHaveLength(FILES.length + 1);
  });

  it('keeps the profile, and expires each role at its own time', async () => {
    const { repository } = await exampleRepository(createMemoryStorage());
    const state = await repository.load();
    expect(lint(state)).toEqual([]);
    expect(state.root.expires).toBe('2040-12-31T00:00:00Z');
    expect(state.targets.expires).toBe('2040-12-31T00:00:00Z');
    expect(state.delegated.get(RELEASES)?.expires).toBe('2040-12-31T00:00:00Z');
    expect(state.delegated.get('rollouts')?.expires).toBe('2040-01-31T00:00:00Z');
    expect(state.snapshot.expires).toBe('2040-01-31T00:00:00Z');
    expect(state.timestamp.expires).toBe('2040-01-08T00:00:00Z');
  });

  it('lets one key hold every role', async () => {
    const storage = createMemoryStorage();
    const { firstRoot } = await exampleRepository(storage, (_, { root1 }) => {
      const one = { keys: [root1.key], threshold: 1 };
      const releases = [{ ...PLATFORM, ...one }];
      return { root: one, targets: one, online: one, releases, signers: [root1] };
    });
    await using client = await openTufClient(storage, firstRoot);
    expect(await client.read('manifest.json')).toEqual([FIRST_MANIFEST]);
  });

  it.each(['root1', 'root2', 'root3'] as const)(
    'is read by tuf-js with online and release key of the kind of %s',
    async (name) => {
      const storage = createMemoryStorage();
      const { firstRoot } = await exampleRepository(storage, (options, signers) => {
        const one = { keys: [signers[name].key], threshold: 1 };
        const releases = [{ ...PLATFORM, ...one }];
        const all = [...options.signers, signers[name]];
        return { online: one, targets: one, releases, signers: all };
      });
      await using client = await openTufClient(storage, firstRoot);
      expect(await client.read('manifest.json')).toEqual([FIRST_MANIFEST]);
    },
  );

  it('refuses a storage with a repository, and changes nothing in it', async () => {
    const storage = createMemoryStorage();
    const { signers } = await exampleRepository(storage);
    const before = await namesIn(storage);
    await expect(initRepository(initOptions(storage, signers))).rejects.toMatchObject({
      code: 'repository/exists',
    });
    expect(await namesIn(storage)).toEqual(before);
  });

  const crashes = [...FILES, 'the manifest'].flatMap((_, index) => [
    { put: index + 1, phase: 'before' as const },
    { put: index + 1, phase: 'after' as const },
  ]);
  it.each(crashes)('finishes after a crash $phase put $put', async ({ put, phase }) => {
    const storage = createMemoryStorage();
    const signers = await exampleSigners();
    const dying = faultyStorage(storage);
    dying.crashAt(put, phase);
    await expect(initRepository(initOptions(dying, signers))).rejects.toBeDefined();

    const isCommitted = put === crashes.length / 2 && phase === 'after';
    const again = initRepository(initOptions(storage, signers));
    if (isCommitted) await expect(again).rejects.toMatchObject({ code: 'repository/exists' });
    else await again;
    const state = await openPatient(storage).load();
    expect(lint(state)).toEqual([]);
    expect(state.timestamp.version).toBe(1);
  });

  it('makes exactly the puts that the crashes above go through', async () => {
    const storage = faultyStorage(createMemoryStorage());
    await initRepository(initOptions(storage, await exampleSigners()));
    expect(storage.puts).toHaveLength(crashes.length / 2);
    expect(storage.puts.at(0)).toBe('metadata/1.root.json');
    expect(storage.puts.slice(-2)).toEqual(['metadata/1.snapshot.json', 'metadata/timestamp.json']);
  });

  it('has succeeded when only the answer to its last put got lost', async () => {
    const storage = faultyStorage(createMemoryStorage());
    storage.failAt(crashes.length / 2, 'after');
    await initRepository(initOptions(storage, await exampleSigners()));
    expect(lint(await openPatient(storage).load())).toEqual([]);
  });

  it('does not adopt the unfinished root of other keys', async () => {
    const storage = createMemoryStorage();
    const signers = await exampleSigners();
    const dying = faultyStorage(storage);
    dying.crashAt(1, 'after');
    const options = initOptions(dying, signers);
    await expect(initRepository(options)).rejects.toBeDefined();
    const root = { keys: [signers.root1.key, signers.root3.key], threshold: 2 };
    const other = initRepository({ ...options, storage, root });
    await expect(other).rejects.toMatchObject({ code: 'repository/exists' });
    expect(await namesIn(storage)).toEqual(['metadata/1.root.json']);
  });

  it('does not adopt an unfinished root that has expired', async () => {
    const storage = createMemoryStorage();
    const signers = await exampleSigners();
    const dying = faultyStorage(storage);
    dying.crashAt(1, 'after');
    await expect(initRepository(initOptions(dying, signers))).rejects.toBeDefined();
    const now = new Date(NOW.getTime() + 366 * 86_400_000);
    await expect(initRepository({ ...initOptions(storage, signers), now })).rejects.toMatchObject({
      code: 'repository/exists',
    });
  });

  it('lets one of two that begin together win, and leaves its repository whole', async () => {
    const storage = createMemoryStorage();
    const signers = await exampleSigners();
    const results = await Promise.allSettled(
      [1, 2].map(() => initRepository(initOptions(storage, signers))),
    );
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(lint(await openPatient(storage).load())).toEqual([]);
  });

  it('writes nothing when a role lacks a key', async () => {
    const storage = createMemoryStorage();
    const signers = await exampleSigners();
    const options = initOptions(storage, signers);
    for (const missing of options.signers) {
      const present = options.signers.filter((signer) => signer !== missing);
      await expect(initRepository({ ...options, signers: present })).rejects.toMatchObject({
        code: 'repository/signers',
      });
    }
    expect(await namesIn(storage)).toEqual([]);
  });

  it('counts a key once that is given twice', async () => {
    const storage = createMemoryStorage();
    const signers = await exampleSigners();
    const options = initOptions(storage, signers);
    const { root1, targets, online, release } = signers;
    await expect(
      initRepository({ ...options, signers: [root1, root1, targets, online, release] }),
    ).rejects.toMatchObject({ code: 'repository/signers' });
    const root = { keys: [root1.key, root1.key], threshold: 2 };
    await expect(initRepository({ ...options, root })).rejects.toMatchObject({ code: 'tuf/key' });
  });

  it.each([0, 4, 1.5])('refuses a root threshold of %p with three keys', async (threshold) => {
    const storage = createMemoryStorage();
    const options = initOptions(storage, await exampleSigners());
    const root = { ...options.root, threshold };
    await expect(initRepository({ ...options, root })).rejects.toMatchObject({
      code: 'tuf/threshold',
    });
  });

  it('refuses a variant that hides in the names of another', async () => {
    const storage = createMemoryStorage();
    const options = initOptions(storage, await exampleSigners());
    const hidden = { variant: 'aws-k8s-1.32-x86_64-b', arch: 'aarch64' };
    const releases = [PLATFORM, hidden].map((platform) => ({ ...platform, ...options.online }));
    await expect(initRepository({ ...options, releases })).rejects.toMatchObject({
      code: 'repository/names',
    });
    expect(await namesIn(storage)).toEqual([]);
  });

  it('says that nothing is there before it is made', async () => {
    await expect(openPatient(createMemoryStorage()).load()).rejects.toMatchObject({
      code: 'repository/not-there',
    });
  });
});
