import { describe, expect, it } from '@jest/globals';
import { metadataObject } from '../../../adapters/repository/objects.ts';
import type { RepositoryState } from '../../../adapters/repository/repository.ts';
import type { Signer } from '../../../adapters/signing/signer.ts';
import { createMemoryStorage } from '../../../adapters/storage/memory.ts';
import type { Storage } from '../../../adapters/storage/storage.ts';
import { canonicalBytes } from '../../../core/tuf/canonical.ts';
import { addTargets, metaFile, newRoot } from '../../../core/tuf/edit.ts';
import { encodeEnvelope } from '../../../core/tuf/metadata.ts';
import type { MetaFile, Metadata } from '../../../core/tuf/metadata.ts';
import { contentOf } from '../../../core/tuf/verify.ts';
import { exampleRepository, openPatient, RELEASES } from '../../support/example-repository.ts';
import type { ExampleSigners } from '../../support/example-repository.ts';
import { objectsOf } from '../../support/objects-of.ts';
import { openTufClient } from '../../support/tuf-client.ts';
import { fileOf } from '../../support/tuf-samples.ts';

const IMAGE = 'aws-k8s-1.32-x86_64-6.6.6-root';
const ROLE = metadataObject(RELEASES, 2);

async function fileSignedBy(signer: Signer, signed: Metadata): Promise<Uint8Array> {
  const sig = await signer.sign(canonicalBytes(signed));
  return encodeEnvelope({ signed, signatures: [{ keyid: signer.keyId, sig }] });
}

/** Metadata with an evil image, which the holder of these keys can make and put in the place of ours. */
async function forge(
  state: RepositoryState,
  by: { readonly role: Signer; readonly snapshot: Signer; readonly timestamp: Signer },
  change: { readonly named?: MetaFile; readonly version?: number } = {},
): Promise<Readonly<Record<string, Uint8Array>>> {
  const before = state.delegated.get(RELEASES);
  if (before === undefined) throw new Error('unreachable');
  const evil = addTargets(before, { [IMAGE]: fileOf('evil') });
  const role = await fileSignedBy(by.role, { ...evil, version: change.version ?? 2 });
  const meta = change.named ?? metaFile(2, contentOf(role));
  const snapshot = await fileSignedBy(by.snapshot, {
    ...state.snapshot,
    version: 2,
    meta: { ...state.snapshot.meta, [`${RELEASES}.json`]: meta },
  });
  const timestamp = await fileSignedBy(by.timestamp, {
    ...state.timestamp,
    version: 2,
    meta: { 'snapshot.json': metaFile(2, contentOf(snapshot)) },
  });
  return {
    [ROLE]: role,
    'metadata/2.snapshot.json': snapshot,
    'metadata/timestamp.json': timestamp,
  };
}

type Setup = {
  readonly state: RepositoryState;
  readonly signers: ExampleSigners;
  /** The repository with these objects in place of its own. */
  readonly attacked: (objects: Readonly<Record<string, Uint8Array>>) => Storage;
  readonly firstRoot: Uint8Array;
};

async function setup(): Promise<Setup> {
  const storage = createMemoryStorage();
  const { repository, signers, firstRoot } = await exampleRepository(storage);
  const objects = await objectsOf(storage);
  return {
    state: await repository.load(),
    signers,
    firstRoot,
    attacked: (changed) => createMemoryStorage(Object.entries({ ...objects, ...changed })),
  };
}

describe('load, attacked by who holds the bucket', () => {
  it('takes what the right keys signed, so that the refusals below mean something', async () => {
    const { state, signers, attacked, firstRoot } = await setup();
    const { release, online } = signers;
    const objects = await forge(state, { role: release, snapshot: online, timestamp: online });
    const storage = attacked({
      ...objects,
      [`targets/${fileOf('evil').hashes.sha256}.${IMAGE}`]: Buffer.from('evil'),
    });
    expect((await openPatient(storage).load()).delegated.get(RELEASES)?.version).toBe(2);
    await using client = await openTufClient(storage, firstRoot);
    expect(await client.read(IMAGE)).toEqual(['evil']);
  });

  it.each(['role', 'snapshot', 'timestamp'] as const)(
    'and every key but that of the %s, refuses what is signed',
    async (stolen) => {
      const { state, signers, attacked, firstRoot } = await setup();
      const { release, online, root1 } = signers;
      const by = { role: release, snapshot: online, timestamp: online, [stolen]: root1 };
      const storage = attacked(await forge(state, by));
      await expect(openPatient(storage).load()).rejects.toMatchObject({ code: 'tuf/threshold' });
      await using client = await openTufClient(storage, firstRoot);
      await expect(client.read(IMAGE)).rejects.toBeDefined();
    },
  );

  it('refuses a role that is signed, but is not the one that the snapshot names', async () => {
    const { state, signers, attacked } = await setup();
    const { release, online } = signers;
    const by = { role: release, snapshot: online, timestamp: online };
    const named = metaFile(2, contentOf(Buffer.from('another role file')));
    const storage = attacked(await forge(state, by, { named }));
    await expect(openPatient(storage).load()).rejects.toMatchObject({ code: 'tuf/length' });
    const { [ROLE]: role = new Uint8Array() } = await forge(state, by);
    const sameLength = { ...named, length: role.length };
    const other = attacked({ ...(await forge(state, by, { named: sameLength })), [ROLE]: role });
    await expect(openPatient(other).load()).rejects.toMatchObject({ code: 'tuf/hash' });
  });

  it('refuses a role of another version than its name', async () => {
    const { state, signers, attacked } = await setup();
    const { release, online } = signers;
    const by = { role: release, snapshot: online, timestamp: online };
    const storage = attacked(await forge(state, by, { version: 9 }));
    await expect(openPatient(storage).load()).rejects.toMatchObject({ code: 'tuf/version' });
  });
});

describe('load, along the chain of roots', () => {
  function rotated({ state, signers }: Setup, keys: readonly Signer[], version: number) {
    const online = { keys: [signers.online.key], threshold: 1 };
    return newRoot(
      {
        root: { keys: keys.map(({ key }) => key), threshold: 1 },
        targets: { keys: [signers.targets.key], threshold: 1 },
        snapshot: online,
        timestamp: online,
      },
      { version, expires: state.root.expires },
    );
  }
  async function signedBy(all: readonly Signer[], root: Metadata): Promise<Uint8Array> {
    const signatures = await Promise.all(
      all.map(async (signer) => ({
        keyid: signer.keyId,
        sig: await signer.sign(canonicalBytes(root)),
      })),
    );
    return encodeEnvelope({ signed: root, signatures });
  }

  it('follows a root that the threshold of the old one and the new key signed', async () => {
    const all = await setup();
    const { root1, root2, release } = all.signers;
    const bytes = await signedBy([root1, root2, release], rotated(all, [release], 2));
    const storage = all.attacked({ 'metadata/2.root.json': bytes });
    expect((await openPatient(storage).load()).root.version).toBe(2);
    await using client = await openTufClient(storage, all.firstRoot);
    expect(await client.read('manifest.json')).not.toEqual([null]);
  });

  it.each([
    ['one old key of two and the new one', ['root1', 'release'], 2],
    ['the new key alone', ['release'], 2],
    ['the old keys alone', ['root1', 'root2'], 2],
  ] as const)('refuses a root signed by %s', async (_, names, version) => {
    const all = await setup();
    const signers = names.map((name) => all.signers[name]);
    const bytes = await signedBy(signers, rotated(all, [all.signers.release], version));
    const storage = all.attacked({ 'metadata/2.root.json': bytes });
    await expect(openPatient(storage).load()).rejects.toMatchObject({ code: 'tuf/threshold' });
  });

  it('refuses a root that skips a version', async () => {
    const all = await setup();
    const { root1, root2, release } = all.signers;
    const bytes = await signedBy([root1, root2, release], rotated(all, [release], 3));
    const storage = all.attacked({ 'metadata/2.root.json': bytes });
    await expect(openPatient(storage).load()).rejects.toMatchObject({ code: 'tuf/version' });
  });
});
