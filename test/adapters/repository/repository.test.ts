import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { objectsOf } from '../../support/objects-of.ts';
import { openRepository } from '../../../adapters/repository/repository.ts';
import type { Repository, RoleEdit } from '../../../adapters/repository/repository.ts';
import { createMemoryStorage } from '../../../adapters/storage/memory.ts';
import { StorageError } from '../../../adapters/storage/storage.ts';
import type { Storage } from '../../../adapters/storage/storage.ts';
import { lint } from '../../../core/tuf/lint.ts';
import { findTarget, publishedReleases } from '../../../core/tuf/repository-metadata.ts';
import {
  exampleRepository,
  FIRST_MANIFEST,
  NOW,
  openPatient,
  PLATFORM,
  RELEASES,
} from '../../support/example-repository.ts';
import type { ExampleSigners } from '../../support/example-repository.ts';
import { faultyStorage } from '../../support/faulty-storage.ts';
import { openTufClient } from '../../support/tuf-client.ts';

const IMAGE = 'aws-k8s-1.32-x86_64-1.0.0-root';
const DOCUMENT = 'aws-k8s-1.32-x86_64-1.0.0-release.json';
const bytesOf = (text: string) => new TextEncoder().encode(text);
const sha256Of = (text: string) => createHash('sha256').update(text).digest('hex');

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield bytesOf(text);
}

function uploadImage(repository: Repository, name: string, text: string) {
  const sha256 = sha256Of(text);
  return repository.uploadTarget({ name, size: text.length, sha256, open: () => once(text) });
}

/** Publishes one release of one image and its document, as the publish command does. */
async function publish(repository: Repository, signers: ExampleSigners): Promise<void> {
  await uploadImage(repository, IMAGE, 'image');
  const edit: RoleEdit = {
    add: [{ name: IMAGE, length: 5, sha256: sha256Of('image') }],
    addFiles: [{ name: DOCUMENT, bytes: bytesOf('document') }],
  };
  await repository.commit({
    signers: [signers.release, signers.online],
    edit: () => ({ roles: new Map([[RELEASES, edit]]) }),
  });
}

function setManifest(repository: Repository, signers: ExampleSigners, text: string) {
  const edit = { replace: [{ name: 'manifest.json', bytes: bytesOf(text) }] };
  return repository.commit({
    signers: [signers.online],
    edit: () => ({ roles: new Map([['rollouts', edit]]) }),
  });
}

/** Adds a word to the manifest: an edit that must see every other edit. */
function appendWord(repository: Repository, signers: ExampleSigners, word: string) {
  return repository.commit({
    signers: [signers.online],
    edit: async (state) => {
      const words = new TextDecoder().decode(await repository.readTarget(state, 'manifest.json'));
      if (words.split(' ').includes(word)) return { roles: new Map() };
      const replace = [{ name: 'manifest.json', bytes: bytesOf(`${words} ${word}`) }];
      return { roles: new Map([['rollouts', { replace }]]) };
    },
  });
}

describe('commit', () => {
  it('publishes what tuf-js then reads', async () => {
    const storage = createMemoryStorage();
    const { repository, signers, firstRoot } = await exampleRepository(storage);
    await using client = await openTufClient(storage, firstRoot);
    expect(await client.read(IMAGE, 'manifest.json')).toEqual([null, FIRST_MANIFEST]);
    await publish(repository, signers);
    expect(await client.read(IMAGE, DOCUMENT)).toEqual(['image', 'document']);
    await setManifest(repository, signers, 'next');
    expect(await client.read(IMAGE, 'manifest.json')).toEqual(['image', 'next']);
  });

  it('returns the very state that another process then loads', async () => {
    const storage = createMemoryStorage();
    const { repository, signers } = await exampleRepository(storage);
    const returned = await setManifest(repository, signers, 'next');
    expect(await openPatient(storage).load()).toEqual(returned);
    expect(await repository.load()).toEqual(returned);
    expect(lint(returned)).toEqual([]);
  });

  it('signs only the roles that change', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository, signers } = await exampleRepository(storage);
    const before = storage.puts.length;
    await setManifest(repository, signers, 'next');
    expect(storage.puts.slice(before).map((name) => name.replace(/[0-9a-f]{64}/, 'HASH'))).toEqual([
      'targets/HASH.manifest.json',
      'metadata/2.rollouts.json',
      'metadata/2.snapshot.json',
      'metadata/timestamp.json',
    ]);
  });

  it('writes nothing for an edit of no role', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository } = await exampleRepository(storage);
    const before = storage.puts.length;
    const state = await repository.commit({ signers: [], edit: () => ({ roles: new Map() }) });
    expect(storage.puts).toHaveLength(before);
    expect(state).toEqual(await repository.load());
  });

  it('renews the expiry of a role whose edit is empty, and of snapshot and timestamp', async () => {
    const storage = createMemoryStorage();
    const { signers } = await exampleRepository(storage);
    const later = new Date('2040-03-01T00:00:00Z');
    const repository = openRepository({ storage, now: () => later });
    const state = await repository.commit({
      signers: [signers.online],
      edit: () => ({ roles: new Map([['rollouts', {}]]) }),
    });
    expect(state.delegated.get('rollouts')?.expires).toBe('2040-03-31T00:00:00Z');
    expect(state.snapshot.expires).toBe('2040-03-31T00:00:00Z');
    expect(state.timestamp.expires).toBe('2040-03-08T00:00:00Z');
    expect(state.delegated.get(RELEASES)?.version).toBe(1);
  });

  it('fails as a whole when the edit throws', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository, signers } = await exampleRepository(storage);
    const before = storage.puts.length;
    const edit = () => {
      throw new RangeError('no');
    };
    await expect(repository.commit({ signers: [signers.online], edit })).rejects.toBeInstanceOf(
      RangeError,
    );
    expect(storage.puts).toHaveLength(before);
  });

  it.each(['release', 'online'] as const)(
    'writes nothing without the %s key, and names role, threshold and the missing key',
    async (missing) => {
      const storage = faultyStorage(createMemoryStorage());
      const { repository, signers } = await exampleRepository(storage);
      const before = storage.puts.length;
      const present = [signers.release, signers.online].filter((one) => one !== signers[missing]);
      const bytes = bytesOf('document');
      const edit = { addFiles: [{ name: DOCUMENT, bytes }] };
      const failure = repository.commit({
        signers: present,
        edit: () => ({ roles: new Map([[RELEASES, edit]]) }),
      });
      await expect(failure).rejects.toMatchObject({ code: 'repository/signers' });
      await expect(failure).rejects.toThrow(signers[missing].keyId);
      expect(storage.puts).toHaveLength(before);
    },
  );

  it.each([
    ['a role that is not delegated', 'releases-other-x86_64', {}, 'repository/role'],
    [
      'a name outside the role',
      RELEASES,
      { addFiles: [{ name: 'other-x86_64-1.0.0-root', bytes: bytesOf('x') }] },
      'tuf/profile',
    ],
    [
      'a file in the top-level targets',
      'targets',
      { addFiles: [{ name: 'x', bytes: bytesOf('x') }] },
      'tuf/profile',
    ],
    [
      'a target that was not uploaded',
      RELEASES,
      { add: [{ name: IMAGE, length: 5, sha256: sha256Of('image') }] },
      'repository/target',
    ],
  ])('refuses %s, and publishes nothing', async (_, role, edit, code) => {
    const storage = createMemoryStorage();
    const { repository, signers } = await exampleRepository(storage);
    const before = await repository.load();
    const { targets, release, online } = signers;
    await expect(
      repository.commit({
        signers: [targets, release, online],
        edit: () => ({ roles: new Map([[role, edit]]) }),
      }),
    ).rejects.toMatchObject({ code });
    expect(await openPatient(storage).load()).toEqual(before);
  });

  it('refuses other bytes under a published name, and takes the same bytes again', async () => {
    const storage = createMemoryStorage();
    const { repository, signers } = await exampleRepository(storage);
    await publish(repository, signers);
    await publish(repository, signers);
    const edit = { addFiles: [{ name: DOCUMENT, bytes: bytesOf('other') }] };
    await expect(
      repository.commit({
        signers: [signers.release, signers.online],
        edit: () => ({ roles: new Map([[RELEASES, edit]]) }),
      }),
    ).rejects.toMatchObject({ code: 'tuf/target-exists' });
  });

  it('refuses the 501st target of a role, which tuf-js would take too long to read', async () => {
    const { repository, signers } = await exampleRepository(createMemoryStorage());
    const addFiles = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        name: `aws-k8s-1.32-x86_64-1.0.${index}-release.json`,
        bytes: bytesOf(''),
      }));
    const commit = (count: number) =>
      repository.commit({
        signers: [signers.release, signers.online],
        edit: () => ({ roles: new Map([[RELEASES, { addFiles: addFiles(count) }]]) }),
      });
    await expect(commit(501)).rejects.toMatchObject({ code: 'tuf/profile' });
    expect(publishedReleases(await commit(500))).toHaveLength(500);
  });
});

describe('a publisher that dies', () => {
  const PUTS = [
    /^targets\/.*root$/,
    /^targets\/.*release\.json$/,
    /^metadata\/2\.releases/,
    /^metadata\/2\.snapshot/,
    /^metadata\/timestamp/,
  ];

  it('makes the puts that the deaths below go through', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository, signers } = await exampleRepository(storage);
    const before = storage.puts.length;
    await publish(repository, signers);
    const puts = storage.puts.slice(before);
    expect(puts).toHaveLength(PUTS.length);
    puts.forEach((name, index) => {
      expect(name).toMatch(PUTS[index] ?? '');
    });
  });

  const deaths = PUTS.flatMap((_, index) => [
    { put: index + 1, phase: 'before' as const },
    { put: index + 1, phase: 'after' as const },
  ]);
  it.each(deaths)(
    '$phase put $put leaves the old or the new repository, and the next one succeeds',
    async ({ put, phase }) => {
      const inner = createMemoryStorage();
      const storage = faultyStorage(inner);
      const { repository, signers, firstRoot } = await exampleRepository(storage);
      await using client = await openTufClient(inner, firstRoot);
      expect(await client.read(IMAGE)).toEqual([null]);
      storage.crashAt(put, phase);
      await expect(publish(repository, signers)).rejects.toBeDefined();

      const isNew = put === PUTS.length && phase === 'after';
      expect(await client.read(IMAGE, DOCUMENT, 'manifest.json')).toEqual([
        isNew ? 'image' : null,
        isNew ? 'document' : null,
        FIRST_MANIFEST,
      ]);
      const next = openPatient(inner);
      await setManifest(next, signers, 'next');
      await publish(next, signers);
      expect(await client.read(IMAGE, DOCUMENT, 'manifest.json')).toEqual([
        'image',
        'document',
        'next',
      ]);
      expect(lint(await next.load())).toEqual([]);
    },
  );

  it.each(deaths)(
    'is told $phase put $put that it failed, or has succeeded',
    async ({ put, phase }) => {
      const inner = createMemoryStorage();
      const storage = faultyStorage(inner);
      const { repository, signers } = await exampleRepository(storage);
      // Only one answer gets lost here; the storage goes on to work.
      storage.failAt(put, phase);
      const told = await publish(repository, signers).then(
        () => 'succeeded',
        () => 'failed',
      );
      const isPublished = findTarget(await openPatient(inner).load(), IMAGE) !== null;
      expect(told).toBe(isPublished ? 'succeeded' : 'failed');
      expect(told).toBe(put === PUTS.length ? 'succeeded' : 'failed');
    },
  );
});

describe('publishers at the same time', () => {
  it('eight of one role all land, each on top of the others', async () => {
    const storage = createMemoryStorage();
    const { signers, firstRoot } = await exampleRepository(storage);
    const words = Array.from({ length: 8 }, (_, index) => `word${index}`);
    await Promise.all(words.map((word) => appendWord(openPatient(storage), signers, word)));
    await using client = await openTufClient(storage, firstRoot);
    const [text] = await client.read('manifest.json');
    expect(text?.replace(FIRST_MANIFEST, '').trim().split(' ').toSorted()).toEqual(words);
    expect((await openPatient(storage).load()).timestamp.version).toBe(9);
  });

  it('eight commits through one value all land too, with loads beside them', async () => {
    const storage = createMemoryStorage();
    const { repository, signers } = await exampleRepository(storage);
    const words = Array.from({ length: 8 }, (_, index) => `word${index}`);
    await Promise.all(
      words.flatMap((word) => [appendWord(repository, signers, word), repository.load()]),
    );
    const state = await repository.load();
    const text = new TextDecoder().decode(await repository.readTarget(state, 'manifest.json'));
    expect(text.split(' ').toSorted().slice(0, 8)).toEqual(words);
  });

  it('who loses edits what the winner published', async () => {
    const storage = createMemoryStorage();
    const { repository, signers } = await exampleRepository(storage);
    const seen: number[] = [];
    await repository.commit({
      signers: [signers.online],
      edit: async (state) => {
        seen.push(state.timestamp.version);
        if (seen.length === 1) await publish(openPatient(storage), signers);
        const replace = [{ name: 'manifest.json', bytes: bytesOf('late') }];
        return { roles: new Map([['rollouts', { replace }]]) };
      },
    });
    expect(seen).toEqual([1, 2]);
    const state = await openPatient(storage).load();
    expect([findTarget(state, IMAGE)?.role, state.timestamp.version]).toEqual([RELEASES, 3]);
  });

  it('who always loses gives up with one clear error', async () => {
    const storage = createMemoryStorage();
    const { repository, signers } = await exampleRepository(storage);
    let count = 0;
    const failure = repository.commit({
      signers: [signers.online],
      edit: async () => {
        count += 1;
        await setManifest(openPatient(storage), signers, `rival ${count}`);
        return { roles: new Map([['rollouts', {}]]) };
      },
    });
    await expect(failure).rejects.toMatchObject({ code: 'repository/contended' });
    expect(count).toBe(40);
  });
});

describe('files that a crashed or running publisher left', () => {
  it('are stepped over, and their numbers never used again', async () => {
    const storage = createMemoryStorage();
    const { repository, signers } = await exampleRepository(storage);
    for (const name of ['2.rollouts', '3.rollouts', '2.snapshot']) {
      const options = { condition: { kind: 'create-only' }, cacheControl: 'immutable' } as const;
      await storage.put(`metadata/${name}.json`, bytesOf(`left by another: ${name}`), options);
    }
    const state = await setManifest(repository, signers, 'next');
    expect(state.delegated.get('rollouts')?.version).toBe(4);
    expect([state.snapshot.version, state.timestamp.version]).toEqual([3, 2]);
    expect(await openPatient(storage).load()).toEqual(state);
  });

  it('do not starve who needs longer to list them than a rival to write the next one', async () => {
    const inner = createMemoryStorage();
    const { signers } = await exampleRepository(inner);
    let next = 2;
    const rival = async () => {
      const name = `metadata/${next}.snapshot.json`;
      next += 1;
      const options = { condition: { kind: 'create-only' }, cacheControl: 'immutable' } as const;
      await inner.put(name, bytesOf(name), options).catch(() => undefined);
    };
    await rival();
    const list: Storage['list'] = async function* (prefix) {
      yield* inner.list(prefix);
      await rival();
    };
    const storage = delegate(inner, { list });
    const repository = openRepository({ storage, now: () => NOW, random: () => 0.9 });
    const state = await setManifest(repository, signers, 'next');
    expect(state.snapshot.version).toBeGreaterThan(3);
    expect(state.snapshot.version).toBeLessThan(100);
  });

  it('are used when they are the very same bytes', async () => {
    const inner = createMemoryStorage();
    const storage = faultyStorage(inner);
    const { repository, signers } = await exampleRepository(storage);
    storage.crashAt(3, 'after');
    await expect(setManifest(repository, signers, 'next')).rejects.toBeDefined();
    // ed25519 signs the same bytes the same way, and the clock stands still.
    const state = await setManifest(openPatient(inner), signers, 'next');
    expect([state.delegated.get('rollouts')?.version, state.snapshot.version]).toEqual([2, 2]);
  });
});

describe('a timestamp whose fate is unknown', () => {
  /** The answer to the put of the timestamp gets lost after it took effect, and `meanwhile` happens. */
  function losingAnswers(inner: Storage, meanwhile: () => Promise<unknown>): Storage {
    let isArmed = true;
    const put: Storage['put'] = async (name, bytes, options) => {
      const etag = await inner.put(name, bytes, options);
      if (name !== 'metadata/timestamp.json' || !isArmed) return etag;
      isArmed = false;
      await meanwhile();
      throw new StorageError('storage/unavailable', 'the answer got lost');
    };
    return delegate(inner, { put });
  }

  it('counts as committed when it is found', async () => {
    const storage = createMemoryStorage();
    const { signers } = await exampleRepository(storage);
    const repository = openPatient(losingAnswers(storage, async () => {}));
    const state = await appendWord(repository, signers, 'word');
    expect(state.timestamp.version).toBe(2);
    expect(await openPatient(storage).load()).toEqual(state);
  });

  it('counts as committed when others have built on it since', async () => {
    const storage = createMemoryStorage();
    const { signers } = await exampleRepository(storage);
    let count = 0;
    const repository = openPatient(
      losingAnswers(storage, () => publish(openPatient(storage), signers)),
    );
    const state = await repository.commit({
      signers: [signers.online],
      edit: () => {
        count += 1;
        const replace = [{ name: 'manifest.json', bytes: bytesOf('once') }];
        return { roles: new Map([['rollouts', { replace }]]) };
      },
    });
    expect([count, state.timestamp.version]).toEqual([1, 3]);
  });

  it('is edited again on top when the same role moved on, which changes nothing', async () => {
    const storage = createMemoryStorage();
    const { signers } = await exampleRepository(storage);
    const repository = openPatient(
      losingAnswers(storage, () => appendWord(openPatient(storage), signers, 'rival')),
    );
    const state = await appendWord(repository, signers, 'word');
    const text = new TextDecoder().decode(await repository.readTarget(state, 'manifest.json'));
    expect(text).toBe(`${FIRST_MANIFEST} word rival`);
  });

  it('is put again when it did not arrive', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository, signers } = await exampleRepository(storage);
    storage.failAt(4, 'before');
    const state = await setManifest(repository, signers, 'next');
    expect(state.timestamp.version).toBe(2);
    expect(storage.puts.filter((name) => name === 'metadata/timestamp.json')).toHaveLength(2);
  });

  it('is called unknown when the storage stays away', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository, signers } = await exampleRepository(storage);
    storage.crashAt(4, 'after');
    await expect(setManifest(repository, signers, 'next')).rejects.toMatchObject({
      code: 'repository/unknown-outcome',
    });
  });

  it('is won although the store says otherwise, when its client repeated the put by itself', async () => {
    const inner = createMemoryStorage();
    const { signers } = await exampleRepository(inner);
    const put: Storage['put'] = async (name, bytes, options) => {
      const etag = await inner.put(name, bytes, options);
      return name === 'metadata/timestamp.json' ? inner.put(name, bytes, options) : etag;
    };
    const state = await setManifest(openPatient(delegate(inner, { put })), signers, 'next');
    expect(state.timestamp.version).toBe(2);
  });
});

describe('load', () => {
  it('says which releases are published, and finds their targets', async () => {
    const { repository, signers } = await exampleRepository(createMemoryStorage());
    await publish(repository, signers);
    const state = await repository.load();
    expect(publishedReleases(state)).toEqual([
      { ...PLATFORM, version: '1.0.0', document: DOCUMENT },
    ]);
    expect(findTarget(state, IMAGE)).toEqual({
      name: IMAGE,
      role: RELEASES,
      length: 5,
      hashes: { sha256: sha256Of('image') },
    });
    expect(findTarget(state, 'constructor')).toBeNull();
  });

  it('reads an expired repository, so that it can be renewed', async () => {
    const storage = createMemoryStorage();
    const { signers } = await exampleRepository(storage);
    const repository = openRepository({ storage, now: () => new Date('2041-06-01T00:00:00Z') });
    const state = await setManifest(repository, signers, 'next');
    expect(state.timestamp.expires).toBe('2041-06-08T00:00:00Z');
  });

  it('reads two objects when nothing changed', async () => {
    const inner = createMemoryStorage();
    const { signers } = await exampleRepository(inner);
    const reads: string[] = [];
    const repository = openPatient(
      delegate(inner, {
        get: async (name, range) => {
          reads.push(name);
          return inner.get(name, range);
        },
      }),
    );
    await repository.load();
    reads.length = 0;
    const state = await repository.load();
    expect(reads).toEqual(['metadata/2.root.json', 'metadata/timestamp.json']);
    await setManifest(openPatient(inner), signers, 'next');
    reads.length = 0;
    expect((await repository.load()).timestamp.version).toBe(state.timestamp.version + 1);
    expect(reads).toEqual([
      'metadata/2.root.json',
      'metadata/timestamp.json',
      'metadata/2.snapshot.json',
      'metadata/2.rollouts.json',
    ]);
  });

  it('that a commit overtakes is old, but no attack', async () => {
    const inner = createMemoryStorage();
    const { signers } = await exampleRepository(inner);
    let overtake = async () => {};
    const repository = openPatient(
      delegate(inner, {
        get: async (name, range) => {
          const object = await inner.get(name, range);
          const act = overtake;
          if (name === 'metadata/timestamp.json') {
            overtake = async () => {};
            await act();
          }
          return object;
        },
      }),
    );
    overtake = async () => {
      await setManifest(repository, signers, 'next');
    };
    expect((await repository.load()).timestamp.version).toBe(1);
    expect((await repository.load()).timestamp.version).toBe(2);
  });

  it('refuses a timestamp that goes back', async () => {
    const storage = createMemoryStorage();
    const { signers } = await exampleRepository(storage);
    const old = await objectsOf(storage);
    const repository = openPatient(storage);
    await setManifest(repository, signers, 'next');
    const { etag } = await storage.stat('metadata/timestamp.json');
    await storage.put('metadata/timestamp.json', old['metadata/timestamp.json'] ?? bytesOf(''), {
      condition: { kind: 'replace-if-unchanged', etag },
      cacheControl: 'no-cache',
    });
    await expect(repository.load()).rejects.toMatchObject({ code: 'tuf/version' });
  });

  it.each([
    'metadata/1.root.json',
    'metadata/timestamp.json',
    'metadata/1.snapshot.json',
    'metadata/1.targets.json',
    'metadata/1.rollouts.json',
    `metadata/1.${RELEASES}.json`,
  ])('refuses %s with any one byte changed, cut short or gone', async (name) => {
    const whole = createMemoryStorage();
    await exampleRepository(whole);
    const objects = await objectsOf(whole);
    const bytes = objects[name] ?? bytesOf('');
    const flipped = [3, 40, bytes.length >> 1, bytes.length - 30].map((at) =>
      bytes.with(at, (bytes[at] ?? 0) ^ 1),
    );
    for (const damaged of [...flipped, bytes.subarray(0, -1), bytesOf(''), bytesOf('null'), null]) {
      const entries = Object.entries({ ...objects, [name]: damaged });
      const storage = createMemoryStorage(
        entries.flatMap(([key, value]) => (value === null ? [] : [[key, value] as const])),
      );
      await expect(openPatient(storage).load()).rejects.toMatchObject({
        code: expect.stringMatching(/^(tuf|repository)\//),
      });
    }
  });

  it('refuses an endless timestamp', async () => {
    const inner = createMemoryStorage();
    await exampleRepository(inner);
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield new Uint8Array(1000);
    }
    const storage = delegate(inner, {
      get: async (name, range) =>
        name === 'metadata/timestamp.json'
          ? { size: 1, etag: 'x', body: endless() }
          : inner.get(name, range),
    });
    await expect(openPatient(storage).load()).rejects.toMatchObject({
      code: 'repository/too-large',
    });
  });

  it('passes on that the storage does not answer', async () => {
    const inner = createMemoryStorage();
    await exampleRepository(inner);
    const storage = delegate(inner, {
      get: async () => {
        throw new StorageError('storage/unavailable', 'no answer');
      },
    });
    await expect(openPatient(storage).load()).rejects.toMatchObject({
      code: 'storage/unavailable',
    });
  });
});

describe('another repository in the place of ours', () => {
  /** The attacker's own root gives the attacker every role beside our keys, and lists an evil image. */
  async function hostileRepository() {
    const storage = createMemoryStorage();
    const { repository, signers } = await exampleRepository(storage, (_, all) => {
      const evil = { keys: [all.root1.key], threshold: 1 };
      const online = { keys: [all.root1.key, all.online.key], threshold: 1 };
      const keys = [all.root1.key, all.release.key];
      const releases = [{ ...PLATFORM, keys, threshold: 1 }];
      return { root: evil, targets: evil, online, releases, signers: [all.root1] };
    });
    await uploadImage(repository, IMAGE, 'evil!');
    await repository.commit({
      signers: [signers.root1],
      edit: () => {
        const add = [{ name: IMAGE, length: 5, sha256: sha256Of('evil!') }];
        return { roles: new Map([[RELEASES, { add }]]) };
      },
    });
    return { storage, signers };
  }

  it('does not get our signature on what our key never signed', async () => {
    const { storage, signers } = await hostileRepository();
    const before = await objectsOf(storage);
    const edit = { addFiles: [{ name: DOCUMENT, bytes: bytesOf('document') }] };
    await expect(
      openPatient(storage).commit({
        signers: [signers.release, signers.online],
        edit: () => ({ roles: new Map([[RELEASES, edit]]) }),
      }),
    ).rejects.toMatchObject({ code: 'repository/untrusted' });
    expect(await objectsOf(storage)).toEqual(before);
  });

  it('is refused by who knows the real root', async () => {
    const { storage } = await hostileRepository();
    const { firstRoot } = await exampleRepository(createMemoryStorage());
    const repository = openRepository({ storage, now: () => NOW, trustedRoot: firstRoot });
    await expect(repository.load()).rejects.toMatchObject({ code: 'tuf/threshold' });
  });

  it('is no hindrance to who knows the real root of a real one', async () => {
    const storage = createMemoryStorage();
    const { signers, firstRoot } = await exampleRepository(storage);
    const repository = openRepository({ storage, now: () => NOW, trustedRoot: firstRoot });
    await publish(repository, signers);
    expect(publishedReleases(await repository.load())).toHaveLength(1);
  });
});

function delegate(inner: Storage, changed: Partial<Storage>): Storage {
  return {
    url: inner.url,
    stat: async (name) => inner.stat(name),
    get: async (name, range) => inner.get(name, range),
    put: async (name, bytes, options) => inner.put(name, bytes, options),
    putStream: async (name, source, options) => inner.putStream(name, source, options),
    list: (prefix) => inner.list(prefix),
    delete: async (name) => inner.delete(name),
    [Symbol.asyncDispose]: async () => inner[Symbol.asyncDispose](),
    ...changed,
  };
}
