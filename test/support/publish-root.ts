import { signMetadata } from '../../adapters/repository/sign.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { keyId as idOf } from '../../core/tuf/keys.ts';
import type { Key } from '../../core/tuf/keys.ts';
import { rootTrust } from '../../core/tuf/verify.ts';
import type { HostWorld } from './host-world.ts';

const FAR = '2045-01-01T00:00:00Z';

export type NewRoot = {
  readonly version: number;
  readonly signers?: readonly Signer[];
  /** More keys, that no role names. */
  readonly moreKeys?: readonly Key[];
  readonly expires?: string;
};

/** A root like the one there is, as the holders of root keys would publish it; these signers alone sign it. */
export async function publishRoot(
  { repository, storage, signers: all }: HostWorld,
  { version, signers = [all.root1, all.root3], moreKeys = [], expires = FAR }: NewRoot,
): Promise<Uint8Array> {
  const { root } = await repository.load();
  const added = Object.fromEntries(moreKeys.map((key) => [idOf(key), key]));
  const next = {
    ...root,
    version,
    keys: { ...root.keys, ...added },
    expires,
  };
  const keyids = signers.map(({ keyId }) => keyId);
  const keys = Object.fromEntries(signers.map(({ keyId, key }) => [keyId, key]));
  const trust = { ...rootTrust(root, 'root'), keyids, keys, threshold: signers.length };
  const { bytes } = await signMetadata('root', next, { trust, signers });
  await storage.put(`metadata/${version}.root.json`, bytes, {
    condition: { kind: 'create-only' },
    cacheControl: 'immutable',
  });
  return bytes;
}
