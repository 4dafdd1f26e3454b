import { describe, expect, it } from '@jest/globals';
import { readObject } from '../../../adapters/repository/objects.ts';
import { renewalEdit } from '../../../adapters/repository/renewal.ts';
import type { RepositoryEdit } from '../../../adapters/repository/repository.ts';
import { createMemoryStorage } from '../../../adapters/storage/memory.ts';
import { DEFAULT_EXPIRY_POLICY } from '../../../core/tuf/lifetimes.ts';
import { roleExpiries } from '../../../core/tuf/repository-metadata.ts';
import { keyId } from '../../../core/tuf/keys.ts';
import { repositoryObjects, set } from '../../support/broken-repositories.ts';
import {
  exampleSigners,
  NOW,
  openPatient,
  RELEASES,
  YEARLY,
} from '../../support/example-repository.ts';
import { openTufClient } from '../../support/tuf-client.ts';

/** As tuftool writes it: PEM without its last line break, and a keytype of its own for P-256. */
function asTuftool(key: unknown): unknown {
  const kept = set(key, ['keyval', 'public'], (text: string) => text.trimEnd());
  const { keytype }: { readonly keytype?: unknown } = Object(key);
  return keytype === 'ecdsa-sha2-nistp256' ? set(kept, ['keytype'], 'ecdsa') : kept;
}

/** A repository whose keys have other ids than the same keys have with us. */
async function setup() {
  const storage = createMemoryStorage();
  const names = ['root1', 'root2', 'root3', 'targets', 'online', 'release'] as const;
  const keys = Object.fromEntries(names.map((name) => [name, asTuftool]));
  for (const [name, bytes] of repositoryObjects({ keys })) {
    await storage.put(name, bytes, {
      condition: { kind: 'create-only' },
      cacheControl: 'no-cache',
    });
  }
  const { bytes } = await readObject(storage, 'metadata/1.root.json', 100_000);
  return {
    storage,
    repository: openPatient(storage, { expiry: YEARLY }),
    signers: await exampleSigners(),
    root: bytes,
  };
}

function editOf(role: string, name: string, text: string): RepositoryEdit {
  return { roles: new Map([[role, { replace: [{ name, bytes: Buffer.from(text) }] }]]) };
}

describe('a repository whose keys are written as tuftool writes them', () => {
  it('has other key ids than the same keys have with us', async () => {
    const { repository, signers } = await setup();
    const { root, targets } = await repository.load();
    const ids = [...Object.keys(root.keys), ...Object.keys(targets.delegations?.keys ?? {})];
    const own = Object.values(signers).filter(({ key }) => ids.includes(keyId(key)));
    expect(own.every(({ key }) => key.keytype === 'ed25519')).toBe(true);
    expect(own.length).toBeLessThan(Object.keys(signers).length);
  });

  it('is gone on with by the same keys, and hosts follow', async () => {
    const { storage, repository, signers, root } = await setup();
    await using client = await openTufClient(storage, root);
    expect(await client.read('manifest.json')).toEqual(['{}']);
    await repository.commit({
      signers: [signers.online],
      edit: () => editOf('rollouts', 'manifest.json', 'next'),
    });
    const image = 'aws-k8s-1.32-x86_64-1.1.0-root';
    await repository.commit({
      signers: [signers.online, signers.release],
      edit: () => editOf(RELEASES, image, 'image'),
    });
    expect(await client.read('manifest.json', image)).toEqual(['next', 'image']);
    expect(await openPatient(storage, { expiry: YEARLY }).load()).toEqual(await repository.load());
  });

  it('is not gone on with by other keys, which are named by the ids that they have there', async () => {
    const { repository, signers } = await setup();
    const { targets } = await repository.load();
    const [role] = (targets.delegations?.roles ?? []).filter(({ name }) => name === RELEASES);
    await expect(
      repository.commit({
        signers: [signers.online, signers.targets],
        edit: () => editOf(RELEASES, 'aws-k8s-1.32-x86_64-1.1.0-root', 'image'),
      }),
    ).rejects.toMatchObject({
      code: 'repository/signers',
      message: expect.stringContaining(role?.keyids[0] ?? 'no key'),
    });
  });

  it('is renewed as a whole before it expires', async () => {
    const { repository, signers } = await setup();
    const renewed = await repository.commit({
      signers: [signers.targets, signers.online, signers.release],
      edit: (state) =>
        renewalEdit(state, {
          signers: [signers.targets, signers.online, signers.release],
          now: NOW,
          policy: DEFAULT_EXPIRY_POLICY,
          isOnlyIfDue: false,
        }),
    });
    const versions = roleExpiries(renewed, NOW).map(({ role, version }) => [role, version]);
    expect(Object.fromEntries(versions)).toEqual({
      ...{ root: 2, targets: 2, rollouts: 2, [RELEASES]: 2, snapshot: 2, timestamp: 2 },
    });
  });
});
