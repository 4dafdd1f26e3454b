import { describe, expect, it } from '@jest/globals';
import { metadataObject, TIMESTAMP_OBJECT } from '../../../adapters/repository/objects.ts';
import type { RepositoryEdit } from '../../../adapters/repository/repository.ts';
import { signMetadata } from '../../../adapters/repository/sign.ts';
import type { Signer } from '../../../adapters/signing/signer.ts';
import { createMemoryStorage } from '../../../adapters/storage/memory.ts';
import type { Storage } from '../../../adapters/storage/storage.ts';
import { metaFile } from '../../../core/tuf/edit.ts';
import { lint } from '../../../core/tuf/lint.ts';
import type { Metadata, MetaFile } from '../../../core/tuf/metadata.ts';
import { contentOf, rootTrust } from '../../../core/tuf/verify.ts';
import {
  exampleRepository,
  openPatient,
  RELEASES,
  YEARLY,
} from '../../support/example-repository.ts';

/** What a tool writes that follows no profile: clients of some kinds refuse it. */
const FRACTION = { expires: '2041-01-01T00:00:00.936813246Z' };
const NEWER = { spec_version: '1.0.31' };
/** It was good once. */
const EXPIRED = { expires: '2001-01-01T00:00:00Z' };
const MANIFEST_EDIT = {
  roles: new Map([
    ['rollouts', { replace: [{ name: 'manifest.json', bytes: Buffer.from('next') }] }],
  ]),
};

type Flaw = { readonly expires?: string; readonly spec_version?: string };
type Flaws = { readonly [role in 'targets' | 'snapshot' | 'timestamp']?: Flaw };

/** The example repository, with version 2 of these roles signed by their own keys. */
async function setup(flaws: Flaws) {
  const storage = createMemoryStorage();
  const { repository, signers } = await exampleRepository(storage);
  const { root, targets, snapshot, timestamp } = await repository.load();
  const trust = (role: 'targets' | 'snapshot' | 'timestamp') => rootTrust(root, role);
  let meta = snapshot.meta;
  if (flaws.targets !== undefined) {
    const file = { ...targets, version: 2, ...flaws.targets };
    const order = { trust: trust('targets'), signers: [signers.targets] };
    const named = await put(storage, metadataObject('targets', 2), 'targets', file, order);
    meta = { ...meta, 'targets.json': named };
  }
  const online = (role: 'snapshot' | 'timestamp') => ({
    ...{ trust: trust(role), signers: [signers.online] },
  });
  const named = await put(
    storage,
    metadataObject('snapshot', 2),
    'snapshot',
    { ...snapshot, version: 2, meta, ...flaws.snapshot },
    online('snapshot'),
  );
  await put(
    storage,
    TIMESTAMP_OBJECT,
    'timestamp',
    { ...timestamp, version: 2, meta: { 'snapshot.json': named }, ...flaws.timestamp },
    online('timestamp'),
  );
  return { repository: openPatient(storage, { expiry: YEARLY }), signers };
}

async function put(
  storage: Storage,
  name: string,
  role: string,
  signed: Metadata,
  order: { readonly trust: ReturnType<typeof rootTrust>; readonly signers: readonly Signer[] },
): Promise<MetaFile> {
  const { bytes } = await signMetadata(role, signed, order);
  const condition =
    name === TIMESTAMP_OBJECT
      ? ({ kind: 'replace-if-unchanged', etag: (await storage.stat(name)).etag } as const)
      : ({ kind: 'create-only' } as const);
  await storage.put(name, bytes, { condition, cacheControl: 'no-cache' });
  return metaFile(signed.version, contentOf(bytes));
}

describe('a commit on top of metadata that breaks the profile', () => {
  it.each<{ readonly case: string; readonly flaws: Flaws }>([
    { case: 'a timestamp with fractions of a second', flaws: { timestamp: FRACTION } },
    { case: 'a timestamp of another specification', flaws: { timestamp: NEWER } },
    { case: 'an expired timestamp', flaws: { timestamp: EXPIRED } },
    { case: 'a snapshot with fractions of a second', flaws: { snapshot: FRACTION } },
    { case: 'a snapshot of another specification', flaws: { snapshot: NEWER } },
    { case: 'both of them', flaws: { snapshot: FRACTION, timestamp: FRACTION } },
  ])('mends $case, which it replaces', async ({ flaws }) => {
    const { repository, signers } = await setup(flaws);
    const after = await repository.commit({
      signers: [signers.online],
      edit: () => MANIFEST_EDIT,
    });
    expect(lint(after)).toEqual([]);
    expect(await repository.load()).toEqual(after);
  });

  it('mends a targets role that is signed anew with the content that it has', async () => {
    const { repository, signers } = await setup({ targets: { ...FRACTION, ...NEWER } });
    const edit: RepositoryEdit = { roles: new Map([['targets', {}]]) };
    const plan = await repository.plan(() => edit);
    expect([...plan.signed.keys()]).toEqual(['targets']);
    const after = await repository.commit({
      signers: [signers.online, signers.targets],
      edit: () => edit,
    });
    expect(lint(after)).toEqual([]);
  });

  it('leaves the faults of a role that others must sign to them', async () => {
    const { repository, signers } = await setup({ targets: FRACTION, timestamp: FRACTION });
    const after = await repository.commit({
      signers: [signers.online],
      edit: () => MANIFEST_EDIT,
    });
    expect(lint(after).map(({ check, where }) => [check, where])).toEqual([
      ['whole-second-expiry', 'targets'],
    ]);
  });

  it('adds no fault to those that are there', async () => {
    const { repository, signers } = await setup({ targets: FRACTION });
    const stranger = { name: 'metal-x86_64-1.0.0-root', bytes: Buffer.from('image') };
    const edit = { roles: new Map([[RELEASES, { addFiles: [stranger] }]]) };
    await expect(
      repository.commit({ signers: [signers.online, signers.release], edit: () => edit }),
    ).rejects.toMatchObject({ code: 'tuf/profile' });
  });
});
