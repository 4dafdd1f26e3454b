import { metadataObject, TIMESTAMP_OBJECT } from '../../adapters/repository/objects.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import { signMetadata } from '../../adapters/repository/sign.ts';
import { openSigner } from '../../adapters/signing/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { metaFile } from '../../core/tuf/edit.ts';
import type { Metadata, MetaFile } from '../../core/tuf/metadata.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { contentOf, rootTrust } from '../../core/tuf/verify.ts';
import type { Workplace } from './cli.ts';

export type Theft = {
  /** The version that snapshot and timestamp skip to. */
  readonly version: number;
  /** The version that the rollouts role skips to, with the content that it has; it stays if this is not given. */
  readonly rollouts?: number;
  /** What the snapshot says of other roles, whatever is there. */
  readonly meta?: Readonly<Record<string, MetaFile>>;
};

/** What whoever stole K/online.pem, and can write to the repository R, publishes there. */
export async function publishAsThief(
  { folder: cwd, env, now }: Workplace,
  { version, rollouts, meta = {} }: Theft,
): Promise<void> {
  await using thief = await openSigner('file:K/online.pem', { cwd, env });
  await using storage = await openStorage('file:R', { access: 'write', cwd, env });
  const state = await openRepository({ storage, now: () => now }).load();
  const put = async (role: string, signed: Metadata) => {
    const trust = trustIn(state, role) ?? rootTrust(state.root, 'timestamp');
    const { bytes } = await signMetadata(role, signed, { trust, signers: [thief] });
    const isTimestamp = role === 'timestamp';
    const name = isTimestamp ? TIMESTAMP_OBJECT : metadataObject(role, signed.version);
    await storage.put(name, bytes, {
      condition: isTimestamp
        ? { kind: 'replace-if-unchanged', etag: state.timestampEtag }
        : { kind: 'create-only' },
      cacheControl: 'no-cache',
    });
    return metaFile(signed.version, contentOf(bytes));
  };
  const manifest = state.delegated.get('rollouts');
  const skipped =
    rollouts === undefined || manifest === undefined
      ? {}
      : { 'rollouts.json': await put('rollouts', { ...manifest, version: rollouts }) };
  const snapshot = await put('snapshot', {
    ...state.snapshot,
    version,
    meta: { ...state.snapshot.meta, ...skipped, ...meta },
  });
  await put('timestamp', { ...state.timestamp, version, meta: { 'snapshot.json': snapshot } });
}
