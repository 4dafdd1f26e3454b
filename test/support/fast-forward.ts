import { metadataObject, TIMESTAMP_OBJECT } from '../../adapters/repository/objects.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import { signMetadata } from '../../adapters/repository/sign.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { metaFile } from '../../core/tuf/edit.ts';
import type { Metadata } from '../../core/tuf/metadata.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { contentOf } from '../../core/tuf/verify.ts';

/** What the attack skips to: more than a signed 32-bit number holds. */
export const FORGED_VERSION = 2 ** 31;

/**
 * What a thief of the online key does to freeze a fleet for ever: rollouts, snapshot and timestamp as they are, under a
 * version so high that nothing honest can follow.
 */
export async function fastForward(storage: Storage, thief: Signer): Promise<void> {
  const state = await openRepository({ storage, now: () => new Date() }).load();
  const sign = async (role: string, signed: Metadata) => {
    const trust = trustIn(state, role);
    if (trust === null) throw new Error(`there is no role ${role}`);
    const forged = { ...signed, version: FORGED_VERSION };
    const { bytes } = await signMetadata(role, forged, { trust, signers: [thief] });
    return { bytes, meta: metaFile(FORGED_VERSION, contentOf(bytes)) };
  };
  const put = async (role: string, bytes: Uint8Array) => {
    const condition = { kind: 'create-only' } as const;
    const name = metadataObject(role, FORGED_VERSION);
    await storage.put(name, bytes, { condition, cacheControl: 'immutable' });
  };
  const manifest = state.delegated.get('rollouts');
  if (manifest === undefined) throw new Error('there is no role rollouts');
  const rollouts = await sign('rollouts', manifest);
  await put('rollouts', rollouts.bytes);
  const meta = { ...state.snapshot.meta, 'rollouts.json': rollouts.meta };
  const snapshot = await sign('snapshot', { ...state.snapshot, meta });
  await put('snapshot', snapshot.bytes);
  const timestamp = await sign('timestamp', {
    ...state.timestamp,
    meta: { 'snapshot.json': snapshot.meta },
  });
  const condition = { kind: 'replace-if-unchanged', etag: state.timestampEtag } as const;
  await storage.put(TIMESTAMP_OBJECT, timestamp.bytes, { condition, cacheControl: 'no-cache' });
}
