import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { signMetadata } from '../../../adapters/repository/sign.ts';
import { readChecked, writeChecked } from '../../../agent/durable.ts';
import { refreshRepository } from '../../../agent/tuf/client.ts';
import type { VerifiedRepository } from '../../../agent/tuf/client.ts';
import { keyId as idOf } from '../../../core/tuf/keys.ts';
import type { Key } from '../../../core/tuf/keys.ts';
import { rootTrust } from '../../../core/tuf/verify.ts';
import { hostWorld } from '../../support/host-world.ts';
import type { HostWorld } from '../../support/host-world.ts';
import { tufOptionsOf } from '../../support/tuf-options.ts';

const texts = z.record(z.string(), z.string());
const storedSchema = z.object({ roles: texts, roots: texts });

const SECOND_ROOT = 'metadata/2.root.json';

function refresh(world: HostWorld): Promise<VerifiedRepository> {
  return refreshRepository(tufOptionsOf(world));
}

/** Root 2 as the holders of root keys would publish it; these signers sign it. */
async function publishSecondRoot(
  world: HostWorld,
  signers = [world.signers.root1, world.signers.root3],
  moreKeys: readonly Key[] = [],
): Promise<void> {
  const { root } = await world.repository.load();
  const added = Object.fromEntries(moreKeys.map((key) => [idOf(key), key]));
  const next = { ...root, version: 2, keys: { ...root.keys, ...added } };
  const keyids = signers.map(({ keyId }) => keyId);
  const keys = Object.fromEntries(signers.map(({ keyId, key }) => [keyId, key]));
  const trust = { ...rootTrust(root, 'root'), keyids, keys, threshold: signers.length };
  const { bytes } = await signMetadata('root', next, { trust, signers });
  await world.storage.put(SECOND_ROOT, bytes, {
    condition: { kind: 'create-only' },
    cacheControl: 'immutable',
  });
}

const rootRequests = (world: HostWorld) =>
  world.requests.filter((path) => path.endsWith('root.json'));

describe('the chain of roots', () => {
  it('is followed from the anchor, and a root that was followed is not fetched again', async () => {
    await using world = await hostWorld();
    await publishSecondRoot(world);
    await refresh(world);
    await refresh(world);
    expect(rootRequests(world)).toEqual([
      '/repo/metadata/2.root.json',
      '/repo/metadata/3.root.json',
      '/repo/metadata/3.root.json',
    ]);
  });

  it('does not go on with a root that too few of the old keys signed', async () => {
    await using world = await hostWorld();
    await publishSecondRoot(world, [world.signers.root1]);
    await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/metadata' });
  });

  it('does not go on with a root that holds one key in two encodings, which would count twice', async () => {
    await using world = await hostWorld();
    const { key } = world.signers.root3;
    if (key.keytype !== 'rsa') throw new Error('this key must be PEM');
    const again: Key = { ...key, keyval: { public: key.keyval.public.trimEnd() } };
    await publishSecondRoot(world, undefined, [again]);
    await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/metadata' });
  });

  it('cannot be replaced by what somebody wrote into the local history', async () => {
    await using world = await hostWorld();
    await publishSecondRoot(world);
    await refresh(world);
    const file = join(world.folder, 'tuf', 'metadata.json');
    const read = await readChecked(file, storedSchema);
    if (read.kind !== 'value') throw new Error('nothing was remembered');
    const { roots, roles } = read.value;
    const forged = roots?.['2']?.replace('"sig": "', '"sig": "00') ?? '';
    const other = forged === roots?.['2'] ? forged.replace('"sig":"', '"sig":"00') : forged;
    expect(other).not.toBe(roots?.['2']);
    await writeChecked(file, { roles, roots: { '2': other } });
    world.requests.length = 0;
    expect((await refresh(world)).damaged).toEqual(['root history']);
    expect(rootRequests(world)).toHaveLength(2);
    expect((await refresh(world)).damaged).toEqual([]);
  });

  it('may not end earlier than it did once', async () => {
    await using world = await hostWorld();
    await publishSecondRoot(world);
    await refresh(world);
    await writeChecked(join(world.folder, 'tuf', 'metadata.json'), { roles: {}, roots: {} });
    world.tamper = (path) => (path.endsWith('2.root.json') ? { status: 403 } : null);
    await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/rollback' });
  });
});
