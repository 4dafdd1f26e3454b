import { createHash } from 'node:crypto';
import {
  metadataObject,
  targetObject,
  TIMESTAMP_OBJECT,
} from '../../adapters/repository/objects.ts';
import type { RepositoryState } from '../../adapters/repository/repository.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { formatRelease } from '../../core/release.ts';
import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { metaFile } from '../../core/tuf/edit.ts';
import { encodeEnvelope } from '../../core/tuf/metadata.ts';
import type { MetaFile, Metadata, RootMetadata, TargetFile } from '../../core/tuf/metadata.ts';
import { imageTarget, MANIFEST_TARGET, releaseDocumentTarget } from '../../core/tuf/names.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { contentOf } from '../../core/tuf/verify.ts';
import { PLATFORM } from './example-repository.ts';
import { releaseOf, startedRollout } from './rollouts.ts';

/** The release that nobody but the thief wants. */
export const EVIL = '6.6.6';

export type Theft = {
  readonly stolen: readonly Signer[];
  /** The thief's own key, put where a stolen one lets him put it. */
  readonly thief: Signer;
  /** Signs what he may not sign, too, with whatever he has. A careful thief leaves alone what hosts would refuse. */
  readonly isBrazen: boolean;
};

/**
 * Somebody with these keys and the storage does all he can to have a host run EVIL: a new root, a delegation to himself,
 * the release under every role that he can sign, a rollout of it that is open to all, and what makes hosts see that.
 */
export async function publishEvil(
  storage: Storage,
  state: RepositoryState,
  { stolen, thief, isBrazen }: Theft,
): Promise<void> {
  const put = (name: string, bytes: Uint8Array, replace: boolean) =>
    storage.put(name, bytes, {
      condition: replace
        ? { kind: 'replace-if-unchanged', etag: state.timestampEtag }
        : { kind: 'create-only' },
      cacheControl: 'no-cache',
    });
  /** The keys under which hosts would take this role from the thief; null if there are too few. */
  const mayForge = (role: string, own: boolean): readonly Signer[] | null => {
    if (own) return [thief];
    const trust = trustIn(state, role);
    const fitting = stolen.filter(({ keyId }) => trust?.keyids.includes(keyId));
    if (fitting.length >= (trust?.threshold ?? Infinity)) return fitting;
    return isBrazen ? stolen : null;
  };
  const forge = async (role: string, signed: Metadata, signers: readonly Signer[]) => {
    const next = { ...signed, version: signed.version + 1 };
    const signedBytes = canonicalBytes(next);
    const signatures = await Promise.all(
      signers.map(async (signer) => ({ keyid: signer.keyId, sig: await signer.sign(signedBytes) })),
    );
    const bytes = encodeEnvelope({ signed: next, signatures });
    const isTimestamp = role === 'timestamp';
    const name = isTimestamp ? TIMESTAMP_OBJECT : metadataObject(role, next.version);
    await put(name, bytes, isTimestamp);
    return metaFile(next.version, contentOf(bytes));
  };
  const addFile = async (name: string, bytes: Uint8Array): Promise<Record<string, TargetFile>> => {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await put(targetObject(name, sha256), bytes, false);
    return { [name]: { length: bytes.length, hashes: { sha256 } } };
  };

  const meta: Record<string, MetaFile> = {};
  const rootSigners = mayForge('root', false);
  const hasRoot = rootSigners !== null;
  if (hasRoot) await forge('root', rootOf(state.root, thief), rootSigners);

  const targetsSigners = mayForge('targets', hasRoot);
  const hasTargets = targetsSigners !== null;
  const { delegations } = state.targets;
  if (hasTargets && delegations !== undefined) {
    const roles = delegations.roles.map((role) => ({
      ...role,
      keyids: [thief.keyId],
      threshold: 1,
    }));
    const own = { keys: { [thief.keyId]: thief.key }, roles };
    meta['targets.json'] = await forge(
      'targets',
      { ...state.targets, delegations: own },
      targetsSigners,
    );
  }

  const release = await evilFiles(addFile);
  const manifest = await addFile(MANIFEST_TARGET, evilManifest());
  for (const [role, signed] of state.delegated) {
    const signers = mayForge(role, hasTargets);
    if (signers === null) continue;
    const targets = { ...signed.targets, ...(role === 'rollouts' ? manifest : release) };
    meta[`${role}.json`] = await forge(role, { ...signed, targets }, signers);
  }

  const snapshotSigners = mayForge('snapshot', hasRoot);
  const timestampSigners = mayForge('timestamp', hasRoot);
  if (snapshotSigners === null || timestampSigners === null) return;
  const snapshot = { ...state.snapshot, meta: { ...state.snapshot.meta, ...meta } };
  const listed = { 'snapshot.json': await forge('snapshot', snapshot, snapshotSigners) };
  await forge('timestamp', { ...state.timestamp, meta: listed }, timestampSigners);
}

function rootOf(root: RootMetadata, { keyId, key }: Signer): RootMetadata {
  const own = { keyids: [keyId], threshold: 1 };
  return {
    ...root,
    keys: { ...root.keys, [keyId]: key },
    roles: { ...root.roles, targets: own, snapshot: own, timestamp: own },
  };
}

async function evilFiles(
  addFile: (name: string, bytes: Uint8Array) => Promise<Record<string, TargetFile>>,
): Promise<Readonly<Record<string, TargetFile>>> {
  const raw = Buffer.from('what the thief wants to run');
  const target = imageTarget({ ...PLATFORM, version: EVIL, image: 'root', format: 'raw' });
  const sha256 = createHash('sha256').update(raw).digest('hex');
  const document = formatRelease({
    ...PLATFORM,
    ...{ schema: 'tidegate.release/1', version: EVIL, rollbackTo: [], minimumFrom: null },
    images: { root: { target, format: 'raw', size: raw.length, sha256 } },
    ...{ verity: null, migrations: [], notes: null, createdAt: '2026-01-01T00:00:00Z' },
  });
  return {
    ...(await addFile(target, raw)),
    ...(await addFile(releaseDocumentTarget({ ...PLATFORM, version: EVIL }), document)),
  };
}

/** A rollout to everybody, long since open. */
function evilManifest(): Uint8Array {
  const images = {
    root: imageTarget({ ...PLATFORM, version: EVIL, image: 'root', format: 'raw' }),
  };
  const rollouts = [startedRollout(releaseOf(EVIL, { images }))];
  return Buffer.from(JSON.stringify({ updates: [], migrations: {}, rollouts }));
}
