import { describe, expect, it } from '@jest/globals';
import { firstMetadata, foundRepository } from '../../../adapters/repository/init.ts';
import { openRepository } from '../../../adapters/repository/repository.ts';
import { signMetadata } from '../../../adapters/repository/sign.ts';
import type { Signer } from '../../../adapters/signing/signer.ts';
import { createMemoryStorage } from '../../../adapters/storage/memory.ts';
import type { Storage } from '../../../adapters/storage/storage.ts';
import { newRoot } from '../../../core/tuf/edit.ts';
import type { KeyHolders } from '../../../core/tuf/edit.ts';
import type { RootMetadata, SignedMetadata } from '../../../core/tuf/metadata.ts';
import { keyId } from '../../../core/tuf/keys.ts';
import { contentOf, rootTrust } from '../../../core/tuf/verify.ts';
import type { RoleTrust } from '../../../core/tuf/verify.ts';
import { ROLLOUTS_ROLE } from '../../../core/tuf/names.ts';
import {
  exampleRepository,
  FIRST_MANIFEST,
  initOptions,
  exampleSigners,
  NOW,
  openPatient,
  RELEASES,
} from '../../support/example-repository.ts';
import type { ExampleSigners } from '../../support/example-repository.ts';
import { faultyStorage } from '../../support/faulty-storage.ts';
import { openTufClient } from '../../support/tuf-client.ts';

const EXPIRES = '2041-01-01T00:00:00Z';

function holders(...signers: readonly Signer[]): KeyHolders {
  return { keys: signers.map(({ key }) => key), threshold: 1 };
}

/** The root after `before`, with these online keys and the root keys of the example. */
async function nextRoot(
  before: RootMetadata,
  signers: ExampleSigners,
  online: Signer,
  targets: Signer = signers.targets,
): Promise<SignedMetadata<RootMetadata>> {
  const { root1, root2, root3 } = signers;
  const root = newRoot(
    {
      root: { keys: [root1.key, root2.key, root3.key], threshold: 2 },
      targets: holders(targets),
      snapshot: holders(online),
      timestamp: holders(online),
    },
    { version: before.version + 1, expires: EXPIRES },
  );
  return signMetadata('root', root, {
    trust: rootTrust(before, 'root'),
    signers: [root1, root2],
  });
}

async function setup(storage: Storage = createMemoryStorage()) {
  const { repository, signers, firstRoot } = await exampleRepository(storage);
  const state = await repository.load();
  return { storage, repository, signers, firstRoot, state };
}

describe('a commit with a new root', () => {
  it('signs snapshot and timestamp with the new online key, and hosts of the old root follow', async () => {
    const { storage, repository, signers, firstRoot, state } = await setup();
    await using client = await openTufClient(storage, firstRoot);
    await client.read('manifest.json');
    // The root3 key is free to play the new online key.
    const root = await nextRoot(state.root, signers, signers.root3);
    const after = await repository.commit({
      signers: [signers.root3],
      edit: () => ({ roles: new Map(), root }),
    });
    expect(after.root.version).toBe(2);
    expect(await openPatient(storage).load()).toEqual(after);
    expect(await client.read('manifest.json')).toEqual([FIRST_MANIFEST]);
  });

  it('is one put if no other role gets new keys', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository, signers, state } = await setup(storage);
    const before = storage.puts.length;
    const root = await nextRoot(state.root, signers, signers.online);
    await repository.commit({ signers: [], edit: () => ({ roles: new Map(), root }) });
    expect(storage.puts.slice(before)).toEqual(['metadata/2.root.json']);
    expect((await repository.load()).root.version).toBe(2);
  });

  it('changes nothing the second time', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository, signers, state } = await setup(storage);
    const root = await nextRoot(state.root, signers, signers.root3);
    const edit = () => ({ roles: new Map(), root });
    const once = await repository.commit({ signers: [signers.root3], edit });
    const puts = storage.puts.length;
    expect(await repository.commit({ signers: [signers.root3], edit })).toEqual(once);
    expect(storage.puts).toHaveLength(puts);
  });

  it('names the role whose new key is not at hand, before anything is written', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository, signers, state } = await setup(storage);
    const puts = storage.puts.length;
    const root = await nextRoot(state.root, signers, signers.root3);
    await expect(
      repository.commit({ signers: [signers.online], edit: () => ({ roles: new Map(), root }) }),
    ).rejects.toMatchObject({ code: 'repository/signers' });
    expect(storage.puts).toHaveLength(puts);
  });

  it('refuses a root that too few of the present root keys signed', async () => {
    const { repository, signers, state } = await setup();
    const good = await nextRoot(state.root, signers, signers.online);
    const root = { ...good, signatures: good.signatures.slice(1) };
    await expect(
      repository.commit({ signers: [], edit: () => ({ roles: new Map(), root }) }),
    ).rejects.toMatchObject({ code: 'tuf/threshold' });
  });

  it.each(['before', 'after'] as const)(
    'killed %s any put leaves the old repository, the new one, or one that the same commit finishes',
    async (phase) => {
      for (let n = 1; n <= 3; n += 1) {
        const inner = createMemoryStorage();
        const { signers, state } = await setup(inner);
        const root = await nextRoot(state.root, signers, signers.root3);
        const storage = faultyStorage(inner);
        storage.crashAt(n, phase);
        const edit = () => ({ roles: new Map(), root });
        await expect(
          openPatient(storage).commit({ signers: [signers.root3], edit }),
        ).rejects.toMatchObject({ code: expect.stringMatching(/^(?:storage|repository)\//) });
        const again = openRepository({
          storage: inner,
          now: () => NOW,
          sleep: async () => {},
          lastRoot: 1,
        });
        const isDone = n === 3 && phase === 'after';
        if (!isDone) await again.commit({ signers: [signers.root3], edit });
        expect((await openPatient(inner).load()).root.version).toBe(2);
      }
    },
  );

  it('tells others that it is half applied while its timestamp is missing', async () => {
    const inner = createMemoryStorage();
    const { signers, state } = await setup(inner);
    const root = await nextRoot(state.root, signers, signers.root3);
    const storage = faultyStorage(inner);
    // Snapshot, root, timestamp.
    storage.crashAt(3, 'before');
    await expect(
      openPatient(storage).commit({
        signers: [signers.root3],
        edit: () => ({ roles: new Map(), root }),
      }),
    ).rejects.toBeInstanceOf(Error);
    await expect(openPatient(inner).load()).rejects.toMatchObject({
      code: 'repository/half-applied',
    });
  });

  it('signs the targets role anew when its key is another one', async () => {
    const { storage, signers, firstRoot, state } = await setup();
    const root = await nextRoot(state.root, signers, signers.online, signers.root3);
    const trusting = openRepository({
      storage,
      now: () => NOW,
      sleep: async () => {},
      trustedRoot: firstRoot,
    });
    const after = await trusting.commit({
      signers: [signers.root3, signers.online],
      edit: () => ({ roles: new Map(), root }),
    });
    expect(after.targets.version).toBe(state.targets.version + 1);
    expect(after.targets.delegations).toEqual(state.targets.delegations);
  });
});

describe('a commit of metadata that was signed elsewhere', () => {
  it('publishes the very bytes, once', async () => {
    const { repository, signers, state } = await setup();
    const releases = state.delegated.get(RELEASES);
    if (releases === undefined) throw new Error('unreachable');
    const trust: RoleTrust = {
      keyids: [keyId(signers.release.key)],
      threshold: 1,
      keys: { [keyId(signers.release.key)]: signers.release.key },
    };
    const file = await signMetadata(
      RELEASES,
      { ...releases, version: 2, expires: EXPIRES },
      { trust, signers: [signers.release] },
    );
    const edit = () => ({ roles: new Map(), adopted: new Map([[RELEASES, file]]) });
    const after = await repository.commit({ signers: [signers.online], edit });
    expect(after.delegated.get(RELEASES)).toEqual(file.signed);
    expect(await repository.commit({ signers: [signers.online], edit })).toEqual(after);
    const stale = await signMetadata(
      RELEASES,
      { ...releases, version: 2, expires: '2042-01-01T00:00:00Z' },
      { trust, signers: [signers.release] },
    );
    await expect(
      repository.commit({
        signers: [signers.online],
        edit: () => ({ roles: new Map(), adopted: new Map([[RELEASES, stale]]) }),
      }),
    ).rejects.toMatchObject({ code: 'repository/moved-on' });
  });
});

describe('a restart of versions', () => {
  it('takes a client back from version 2^31 once all snapshot and timestamp keys are new', async () => {
    const { storage, repository, signers, firstRoot, state } = await setup();
    const attacker = signers.online;
    const trust = rootTrust(state.root, 'timestamp');
    const meta = { ...state.snapshot, version: 2 ** 31, expires: EXPIRES };
    const skipped = await signMetadata('snapshot', meta, { trust, signers: [attacker] });
    await storage.put(`metadata/${2 ** 31}.snapshot.json`, skipped.bytes, {
      condition: { kind: 'create-only' },
      cacheControl: 'immutable',
    });
    const content = contentOf(skipped.bytes);
    const timestamp = await signMetadata(
      'timestamp',
      {
        ...state.timestamp,
        version: 2 ** 31,
        expires: EXPIRES,
        meta: { 'snapshot.json': { version: 2 ** 31, ...content } },
      },
      { trust, signers: [attacker] },
    );
    await storage.put('metadata/timestamp.json', timestamp.bytes, {
      condition: { kind: 'replace-if-unchanged', etag: state.timestampEtag },
      cacheControl: 'no-cache',
    });
    await using client = await openTufClient(storage, firstRoot);
    await client.read('manifest.json');
    await repository.load();
    const root = await nextRoot(state.root, signers, signers.root3);
    const after = await repository.commit({
      signers: [signers.root3],
      edit: () => ({ roles: new Map(), root, restart: new Set(['snapshot', 'timestamp']) }),
    });
    expect(after.timestamp.version).toBe(1);
    expect(after.snapshot.version).toBe(2);
    expect(await client.read('manifest.json')).toEqual([FIRST_MANIFEST]);
  });

  it('is refused while a key of them stays', async () => {
    const { repository, signers, state } = await setup();
    const root = await nextRoot(state.root, signers, signers.online);
    await expect(
      repository.commit({
        signers: [signers.online],
        edit: () => ({ roles: new Map(), root, restart: new Set(['snapshot']) }),
      }),
    ).rejects.toMatchObject({ code: 'tuf/key' });
  });
});

describe('plan', () => {
  it('tells what a commit would do, and writes nothing', async () => {
    const storage = faultyStorage(createMemoryStorage());
    const { repository, signers, state } = await setup(storage);
    const puts = storage.puts.length;
    const root = await nextRoot(state.root, signers, signers.root3);
    const plan = await repository.plan(() => ({
      roles: new Map([
        [RELEASES, { addFiles: [{ name: `${RELEASES.slice(9)}-x`, bytes: new Uint8Array(3) }] }],
      ]),
      root,
    }));
    expect([...plan.signed.keys()]).toEqual([RELEASES]);
    expect(plan).toMatchObject({ snapshot: true, timestamp: true });
    expect(storage.puts).toHaveLength(puts);
  });
});

describe('foundRepository', () => {
  it('makes a repository of metadata that several people signed before', async () => {
    const storage = createMemoryStorage();
    const signers = await exampleSigners();
    const options = initOptions(storage, signers);
    const first = firstMetadata(options);
    const trust = rootTrust(first.root, 'root');
    const root = await signMetadata('root', first.root, {
      trust,
      signers: [signers.root1, signers.root2],
    });
    const targets = await signMetadata('targets', first.targets, {
      trust: rootTrust(first.root, 'targets'),
      signers: [signers.targets],
    });
    const releases = first.releases.get(RELEASES);
    const delegation = first.targets.delegations?.roles.find(({ name }) => name === RELEASES);
    if (releases === undefined || delegation === undefined) throw new Error('unreachable');
    const file = await signMetadata(RELEASES, releases, {
      trust: { ...delegation, keys: first.targets.delegations?.keys ?? {} },
      signers: [signers.release],
    });
    await foundRepository({
      storage,
      now: NOW,
      manifest: options.manifest,
      root,
      adopted: new Map([
        ['targets', targets],
        [RELEASES, file],
      ]),
      signers: [signers.online],
    });
    const state = await openPatient(storage).load();
    expect([...state.delegated.keys()]).toEqual([ROLLOUTS_ROLE, RELEASES]);
    expect(state.rootFile.signatures).toHaveLength(2);
  });
});

describe('load', () => {
  it('reads a role again that another tool wrote anew under its old version', async () => {
    const { storage, repository, signers, state } = await setup();
    const { targets } = state;
    const trust = rootTrust(state.root, 'targets');
    const file = await signMetadata(
      'targets',
      { ...targets, expires: EXPIRES },
      { trust, signers: [signers.targets] },
    );
    const name = `metadata/${targets.version}.targets.json`;
    await storage.delete(name);
    await storage.put(name, file.bytes, {
      condition: { kind: 'create-only' },
      cacheControl: 'immutable',
    });
    const online = { signers: [signers.online] };
    const snapshot = await signMetadata(
      'snapshot',
      {
        ...state.snapshot,
        version: state.snapshot.version + 1,
        meta: {
          ...state.snapshot.meta,
          'targets.json': { version: targets.version, ...contentOf(file.bytes) },
        },
      },
      { trust: rootTrust(state.root, 'snapshot'), ...online },
    );
    await storage.put(`metadata/${snapshot.signed.version}.snapshot.json`, snapshot.bytes, {
      condition: { kind: 'create-only' },
      cacheControl: 'immutable',
    });
    const meta = { version: snapshot.signed.version, ...contentOf(snapshot.bytes) };
    const timestamp = await signMetadata(
      'timestamp',
      {
        ...state.timestamp,
        version: state.timestamp.version + 1,
        meta: { 'snapshot.json': meta },
      },
      { trust: rootTrust(state.root, 'timestamp'), ...online },
    );
    await storage.put('metadata/timestamp.json', timestamp.bytes, {
      condition: { kind: 'replace-if-unchanged', etag: state.timestampEtag },
      cacheControl: 'no-cache',
    });
    expect((await repository.load()).targets.expires).toBe(EXPIRES);
  });
});
