import { describe, expect, it } from '@jest/globals';
import { metadataObject, targetObject } from '../../adapters/repository/objects.ts';
import type { RoleEdit } from '../../adapters/repository/repository.ts';
import { signMetadata } from '../../adapters/repository/sign.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { formatRelease, parseRelease } from '../../core/release.ts';
import type { Release } from '../../core/release.ts';
import type { TargetsMetadata } from '../../core/tuf/metadata.ts';
import { releasesRole } from '../../core/tuf/names.ts';
import { contentOf } from '../../core/tuf/verify.ts';
import { exampleRepository, openPatient, RELEASES } from '../support/example-repository.ts';
import { faultyStorage } from '../support/faulty-storage.ts';
import { HALF_AT_ONCE, publishedRepository, setup, START } from './setup.ts';

const COMMIT = '/api/v1/repository/commit';
const PREFIX = 'aws-k8s-1.32-x86_64';

type Server = Awaited<ReturnType<typeof setup>>;
type Order = {
  readonly role: string;
  readonly version: number;
  readonly after: number;
  readonly sha256: string;
};

/** An edit as `publish` makes it: files that are small here. */
function files(...names: readonly string[]): RoleEdit {
  return { addFiles: names.map((name) => ({ name, bytes: Buffer.from(name) })) };
}

/** Signs and stores the next version of the role as a publisher does that holds only its release key. */
async function store(storage: Storage, signer: Signer, edit: RoleEdit): Promise<Order> {
  const stored = await openPatient(storage).storeRole({ role: RELEASES, edit, signers: [signer] });
  if (stored === null) throw new Error('the edit changes nothing');
  return stored;
}

/** Puts a file of the role that no honest publisher would make. */
async function forge(
  { storage }: Pick<Server, 'storage'>,
  signer: Signer,
  {
    role = RELEASES,
    change,
  }: {
    readonly role?: string;
    readonly change: (before: TargetsMetadata) => Partial<TargetsMetadata>;
  },
): Promise<Order> {
  const state = await openPatient(storage).load();
  const before = state.delegated.get(role) ?? state.targets;
  const metadata = { ...before, version: before.version + 1, ...change(before) };
  const trust = {
    keys: { [signer.keyId]: signer.key },
    keyids: [signer.keyId],
    threshold: 1,
  };
  const { bytes } = await signMetadata(role, metadata, { trust, signers: [signer] });
  const version = before.version + 1;
  await storage.put(metadataObject(role, version), bytes, {
    condition: { kind: 'create-only' },
    cacheControl: 'immutable',
  });
  return { role, version, after: before.version, sha256: contentOf(bytes).hashes.sha256 };
}

function post({ agent }: Server, body: object) {
  return agent
    .post(COMMIT)
    .set('authorization', `Bearer ${'a'.repeat(43)}`)
    .send(body);
}

/** The document of release 1.1.0 on other terms. */
async function amended({ storage }: Server): Promise<Release> {
  const repository = openPatient(storage);
  const name = `${PREFIX}-1.1.0-release.json`;
  const release = parseRelease(await repository.readTarget(await repository.load(), name));
  return { ...release, notes: 'https://example.com/notes' };
}

async function snapshotOf(storage: Storage) {
  const { snapshot, timestamp } = await openPatient(storage).load();
  return { snapshot, timestamp };
}

describe('POST /api/v1/repository/commit', () => {
  it('publishes a role file that was signed elsewhere, and the server knows the release at once', async () => {
    await using server = await setup();
    const { storage, signers } = server;
    const order = await store(storage, signers.release, files(`${PREFIX}-1.2.0-root`));
    const before = await snapshotOf(storage);
    const answer = await post(server, order);
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        changed: true,
        snapshot: before.snapshot.version + 1,
        timestamp: before.timestamp.version + 1,
      },
    ]);
    const { snapshot } = await snapshotOf(storage);
    expect(snapshot.meta[`${RELEASES}.json`]).toMatchObject({
      version: order.version,
      hashes: { sha256: order.sha256 },
    });
    const known = server.context.fleet.view.published.state.delegated.get(RELEASES);
    expect(known?.targets).toHaveProperty([`${PREFIX}-1.2.0-root`]);
  });

  it('answers the same request again without a new commit, also when others have committed since', async () => {
    await using server = await setup();
    const order = await store(
      server.storage,
      server.signers.release,
      files(`${PREFIX}-1.2.0-root`),
    );
    const first = await post(server, order);
    const again = await post(server, order);
    expect([again.status, again.body]).toEqual([200, { ...first.body, changed: false }]);
    await server.post('/api/v1/rollouts', START);
    await server.context.commitPending();
    const late = await post(server, order);
    expect([late.status, late.body.changed]).toEqual([200, false]);
  });

  it('refuses it without the token', async () => {
    await using server = await setup();
    const order = await store(
      server.storage,
      server.signers.release,
      files(`${PREFIX}-1.2.0-root`),
    );
    const before = await snapshotOf(server.storage);
    const answer = await server.agent.post(COMMIT).send(order);
    expect([answer.status, answer.body.code]).toEqual([401, 'request/unauthorized']);
    expect(await snapshotOf(server.storage)).toEqual(before);
  });

  it.each([
    { case: 'signed by another key', forged: 'key', expected: [422, 'commit/file'] },
    { case: 'that is expired', forged: 'expiry', expected: [422, 'commit/file'] },
    { case: 'with another version inside', forged: 'version', expected: [422, 'commit/file'] },
    { case: 'with names of another role', forged: 'names', expected: [422, 'commit/file'] },
    { case: 'whose targets were not uploaded', forged: 'target', expected: [422, 'commit/target'] },
    { case: 'that gives an image other bytes', forged: 'bytes', expected: [409, 'commit/exists'] },
    { case: 'that delegates', forged: 'delegation', expected: [422, 'tuf/profile'] },
  ] as const)('refuses a file $case, and publishes nothing', async ({ forged, expected }) => {
    await using server = await setup();
    const { signers, storage } = server;
    const { targets } = await openPatient(storage).load();
    const file = { length: 4, hashes: { sha256: 'ab'.repeat(32) } };
    const changes = {
      key: () => ({}),
      expiry: () => ({ expires: '2040-01-01T00:00:00Z' }),
      version: () => ({ version: 9 }),
      names: () => ({ targets: { 'other-x86_64-1.0.0-root': file } }),
      target: () => ({ targets: { [`${PREFIX}-1.2.0-root`]: file } }),
      bytes: (before: TargetsMetadata) => ({
        targets: { ...before.targets, [`${PREFIX}-1.0.0-root`]: file },
      }),
      delegation: (before: TargetsMetadata) => ({
        targets: before.targets,
        ...(targets.delegations === undefined ? {} : { delegations: targets.delegations }),
      }),
    };
    const signer = forged === 'key' ? signers.targets : signers.release;
    const order = await forge(server, signer, { change: changes[forged] });
    const before = await snapshotOf(storage);
    const answer = await post(server, order);
    expect([answer.status, answer.body.code]).toEqual(expected);
    expect(answer.headers['content-type']).toMatch('application/problem+json');
    expect(await snapshotOf(storage)).toEqual(before);
    expect((await server.get('/readyz')).body.checks.storage.ok).toBe(true);
  });

  it("refuses another role's file, although one key signs both roles", async () => {
    const storage = createMemoryStorage();
    const other = { variant: 'metal', arch: 'aarch64' };
    const { signers } = await exampleRepository(storage, ({ releases }, { release }) => ({
      releases: [...releases, { ...other, keys: [release.key], threshold: 1 }],
    }));
    await using server = await setup({ storage });
    const edit = files(`${PREFIX}-1.0.0-root`);
    const mine = await openPatient(storage).storeRole({
      ...{ role: RELEASES, edit, signers: [signers.release] },
    });
    if (mine === null) throw new Error('unreachable');
    const { body } = await storage.get(metadataObject(RELEASES, mine.version));
    const chunks = await Array.fromAsync(body);
    await storage.put(metadataObject(releasesRole(other), mine.version), Buffer.concat(chunks), {
      condition: { kind: 'create-only' },
      cacheControl: 'immutable',
    });
    const answer = await post(server, { ...mine, role: releasesRole(other) });
    expect([answer.status, answer.body.code]).toEqual([422, 'commit/file']);
  });

  it.each([
    { role: 'rollouts', code: 'commit/role' },
    { role: 'targets', code: 'commit/role' },
    { role: 'snapshot', code: 'commit/role' },
    { role: '../../x', code: 'commit/role' },
    { role: 'releases-metal-aarch64', code: 'commit/not-there' },
  ])('commits no file of role $role', async ({ role, code }) => {
    await using server = await setup();
    const { snapshot } = await snapshotOf(server.storage);
    const after = snapshot.meta[`${role}.json`]?.version ?? 0;
    const answer = await post(server, { role, version: after + 1, after, sha256: '0'.repeat(64) });
    expect(answer.body.code).toBe(code);
  });

  it('refuses a role that is not delegated', async () => {
    await using server = await setup();
    const role = 'releases-metal-aarch64';
    const order = await forge(server, server.signers.release, {
      role,
      change: () => ({ targets: {} }),
    });
    const answer = await post(server, { ...order, after: 0 });
    expect([answer.status, answer.body.code]).toEqual([400, 'commit/role']);
  });

  it.each([
    { case: 'another SHA-256', change: { sha256: '0'.repeat(64) }, expected: [422, 'commit/file'] },
    {
      case: 'a version that is not there',
      change: { version: 99 },
      expected: [404, 'commit/not-there'],
    },
    { case: 'a SHA-256 that is none', change: { sha256: 'x' }, expected: [400, 'request/invalid'] },
    { case: 'an unknown key', change: { force: true }, expected: [400, 'request/invalid'] },
  ])('refuses a request with $case', async ({ change, expected }) => {
    await using server = await setup();
    const order = await store(
      server.storage,
      server.signers.release,
      files(`${PREFIX}-1.2.0-root`),
    );
    const answer = await post(server, { ...order, ...change });
    expect([answer.status, answer.body.code]).toEqual(expected);
  });

  it('refuses the replay of an older version', async () => {
    await using server = await setup();
    const { storage, signers } = server;
    const first = await store(storage, signers.release, files(`${PREFIX}-1.2.0-root`));
    await post(server, first);
    const second = await store(storage, signers.release, files(`${PREFIX}-1.3.0-root`));
    await post(server, second);
    for (const after of [first.after, second.version]) {
      const answer = await post(server, { ...first, after });
      expect([answer.status, answer.body.code]).toEqual([409, 'repository/moved-on']);
    }
    const { delegated } = await openPatient(storage).load();
    expect(delegated.get(RELEASES)?.version).toBe(second.version);
  });

  it('never lets one publisher undo what another published meanwhile, whoever has the higher version', async () => {
    await using server = await setup();
    const { storage, signers } = server;
    const low = await store(storage, signers.release, files(`${PREFIX}-1.2.0-root`));
    const high = await store(storage, signers.release, files(`${PREFIX}-1.3.0-root`));
    expect(high.version).toBeGreaterThan(low.version);
    const answers = await Promise.all([post(server, low), post(server, high)]);
    const statuses = answers.map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 409]);
    const { delegated } = await openPatient(storage).load();
    const winner = statuses[0] === 200 ? '1.2.0' : '1.3.0';
    expect(delegated.get(RELEASES)?.targets).toHaveProperty([`${PREFIX}-${winner}-root`]);
  });

  describe('that lets a release vanish', () => {
    const remove = { remove: [`${PREFIX}-1.1.0-root`, `${PREFIX}-1.1.0-release.json`] };

    it.each([
      { case: 'runs', verbs: [] },
      { case: 'is paused', verbs: [['pause', { reason: 'x' }]] },
    ] as const)('is refused while its rollout $case', async ({ verbs }) => {
      await using server = await setup();
      const { body } = await server.post('/api/v1/rollouts', { ...START, policy: HALF_AT_ONCE });
      for (const [verb, more] of verbs)
        await server.post(`/api/v1/rollouts/${body.id}/${verb}`, more);
      const order = await store(server.storage, server.signers.release, remove);
      const answer = await post(server, order);
      expect([answer.status, answer.body.code]).toEqual([409, 'commit/in-use']);
      expect(answer.body.detail).toContain(body.id);
    });

    it('is refused while hosts are sent back to it', async () => {
      await using server = await setup();
      const { body } = await server.post('/api/v1/rollouts', START);
      await server.post(`/api/v1/rollouts/${body.id}/roll-back`, { to: '1.0.0', reason: 'x' });
      const order = await store(server.storage, server.signers.release, {
        remove: [`${PREFIX}-1.0.0-boot`],
      });
      expect((await post(server, order)).body.code).toBe('commit/in-use');
    });

    it('is published once the rollout is withdrawn', async () => {
      await using server = await setup();
      const { body } = await server.post('/api/v1/rollouts', START);
      await server.post(`/api/v1/rollouts/${body.id}/withdraw`, { reason: 'x' });
      const order = await store(server.storage, server.signers.release, remove);
      expect((await post(server, order)).status).toBe(200);
    });
  });

  it('lets a release document be amended', async () => {
    await using server = await setup();
    const name = `${PREFIX}-1.1.0-release.json`;
    const order = await store(server.storage, server.signers.release, {
      replace: [{ name, bytes: formatRelease(await amended(server)) }],
    });
    expect((await post(server, order)).status).toBe(200);
  });

  it.each([
    { case: 'cannot be read', change: () => Buffer.from('{}') },
    {
      case: 'speaks of another release',
      change: (release: Release) => {
        const text = new TextDecoder().decode(formatRelease({ ...release, rollbackTo: [] }));
        return Buffer.from(text.replaceAll('1.1.0', '1.0.0'));
      },
    },
    {
      case: 'names an image that is not listed',
      change: ({ images, ...release }: Release) =>
        formatRelease({
          ...release,
          images: {
            ...images,
            more: {
              target: `${PREFIX}-1.1.0-more`,
              format: 'raw',
              size: 1,
              sha256: 'ab'.repeat(32),
            },
          },
        }),
    },
  ])('refuses a release document that $case', async ({ change }) => {
    await using server = await setup();
    const bytes = change(await amended(server));
    const order = await store(server.storage, server.signers.release, {
      replace: [{ name: `${PREFIX}-1.1.0-release.json`, bytes }],
    });
    const answer = await post(server, order);
    expect([answer.status, answer.body.code]).toEqual([422, 'commit/document']);
  });

  it.each(['before', 'after'] as const)(
    'killed %s any put, the next server finishes the same request, once',
    async (phase) => {
      for (let n = 1; n <= 3; n += 1) {
        const inner = createMemoryStorage();
        const signers = await publishedRepository(inner);
        const storage = faultyStorage(inner);
        await using dying = await setup({ storage });
        const order = await store(inner, signers.release, files(`${PREFIX}-1.2.0-root`));
        const { timestamp } = await snapshotOf(inner);
        storage.crashAt(n, phase);
        const died = await post(dying, order);
        expect([died.status, died.headers['retry-after']]).toEqual([503, '10']);
        await using next = await setup({ storage: inner });
        const isDone = n === 3 && phase === 'after';
        const answer = await post(next, order);
        expect([answer.status, answer.body.changed]).toEqual([200, !isDone]);
        const again = await post(next, order);
        expect(again.body).toEqual({ ...answer.body, changed: false });
        expect((await snapshotOf(inner)).timestamp.version).toBe(timestamp.version + 1);
      }
    },
  );

  it('never lists a target under a name whose content has another length', async () => {
    await using server = await setup();
    const bytes = Buffer.from('image');
    const { sha256 } = contentOf(bytes).hashes;
    const name = `${PREFIX}-1.2.0-root`;
    await server.storage.put(targetObject(name, sha256), Buffer.from('imag'), {
      condition: { kind: 'create-only' },
      cacheControl: 'immutable',
    });
    const order = await forge(server, server.signers.release, {
      change: (before) => ({
        targets: { ...before.targets, [name]: { length: bytes.length, hashes: { sha256 } } },
      }),
    });
    const answer = await post(server, order);
    expect([answer.status, answer.body.code]).toEqual([503, 'repository/damaged']);
  });
});
