import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { readChecked, writeChecked } from '../../../agent/durable.ts';
import { refreshRepository } from '../../../agent/tuf/client.ts';
import type { VerifiedRepository } from '../../../agent/tuf/client.ts';
import type { Key } from '../../../core/tuf/keys.ts';
import { hostWorld } from '../../support/host-world.ts';
import type { HostWorld } from '../../support/host-world.ts';
import { publishRoot } from '../../support/publish-root.ts';
import { tufOptionsOf } from '../../support/tuf-options.ts';

const texts = z.record(z.string(), z.string());
const storedSchema = z.object({ roles: texts, roots: texts });

function refresh(world: HostWorld): Promise<VerifiedRepository> {
  return refreshRepository(tufOptionsOf(world));
}

const rootRequests = (world: HostWorld) =>
  world.requests.filter((path) => path.endsWith('root.json'));

describe('the chain of roots', () => {
  it('is followed from the anchor, and a root that was followed is not fetched again', async () => {
    await using world = await hostWorld();
    await publishRoot(world, { version: 2 });
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
    await publishRoot(world, { version: 2, signers: [world.signers.root1] });
    await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/metadata' });
  });

  it('does not go on with a root that holds one key in two encodings, which would count twice', async () => {
    await using world = await hostWorld();
    const { key } = world.signers.root3;
    if (key.keytype !== 'rsa') throw new Error('this key must be PEM');
    const again: Key = { ...key, keyval: { public: key.keyval.public.trimEnd() } };
    await publishRoot(world, { version: 2, moreKeys: [again] });
    await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/metadata' });
  });

  it('cannot be replaced by what somebody wrote into the local history', async () => {
    await using world = await hostWorld();
    await publishRoot(world, { version: 2 });
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
    await publishRoot(world, { version: 2 });
    await refresh(world);
    await writeChecked(join(world.folder, 'tuf', 'metadata.json'), { roles: {}, roots: {} });
    world.tamper = (path) => (path.endsWith('2.root.json') ? { status: 403 } : null);
    await expect(refresh(world)).rejects.toMatchObject({ code: 'agent/rollback' });
  });
});
