import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { newRoot, newSnapshot, newTargets, newTimestamp } from '../../core/tuf/edit.ts';
import type { KeyHolders, NewDelegation } from '../../core/tuf/edit.ts';
import { expiresOf } from '../../core/tuf/lifetimes.ts';
import { assertProfile } from '../../core/tuf/lint.ts';
import { MAX_LENGTHS, parseRoot } from '../../core/tuf/metadata.ts';
import type { RootMetadata, TargetsMetadata } from '../../core/tuf/metadata.ts';
import {
  findPrefixConflict,
  MANIFEST_TARGET,
  releasesPath,
  releasesRole,
  ROLLOUTS_ROLE,
} from '../../core/tuf/names.ts';
import type { Platform } from '../../core/tuf/names.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import { isExpired, rootTrust, verifySignatures, verifyVersion } from '../../core/tuf/verify.ts';
import type { Signer } from '../signing/signer.ts';
import type { Storage } from '../storage/storage.ts';
import { applyEdit, storeTargets } from './edits.ts';
import { RepositoryError } from './errors.ts';
import { createObject, findObject, metadataObject, TIMESTAMP_OBJECT } from './objects.ts';
import type { Patience } from './patience.ts';
import { requireAllSigners, writeRevision } from './revision.ts';
import type { Draft, Revision } from './revision.ts';
import { requireSigners, signMetadata } from './sign.ts';

export type InitOptions = Patience & {
  readonly storage: Storage;
  readonly now: Date;
  readonly root: KeyHolders;
  readonly targets: KeyHolders;
  /** Holds snapshot, timestamp and rollouts. */
  readonly online: KeyHolders;
  readonly releases: readonly (Platform & KeyHolders)[];
  /** The first `manifest.json`. */
  readonly manifest: Uint8Array;
  /** Enough keys of every role. */
  readonly signers: readonly Signer[];
};

/**
 * Makes a repository in an empty storage. After a crash the same call finishes the work. Throws `repository/exists` if a
 * repository is there, or an unfinished one of other keys; what is there is never changed.
 */
export async function initRepository(options: InitOptions): Promise<void> {
  const { storage, now, signers } = options;
  const conflict = findPrefixConflict(options.releases);
  if (conflict !== null) throw conflictError(conflict);
  const fresh = newRoot(
    {
      root: options.root,
      targets: options.targets,
      snapshot: options.online,
      timestamp: options.online,
    },
    { version: 1, expires: expiresOf('root', now) },
  );
  const revision = firstRevision(fresh, options);
  requireSigners('root', rootTrust(fresh, 'root'), signers);
  requireAllSigners(revision, signers);
  await refuseExisting(storage);
  await writeFirstRoot(fresh, options);
  await storeTargets(storage, firstManifest(options));
  const outcome = await writeRevision(revision, {
    storage,
    signers,
    now,
    taken: new Map(),
    patience: options,
  });
  if (outcome.kind === 'lost') throw existsError(storage);
}

function firstRevision(root: RootMetadata, options: InitOptions): Revision {
  // Version and expiry of these do not matter: each is made anew under the number that is free.
  const edition = { version: 1, expires: root.expires };
  const targets = newTargets(edition, delegationsOf(options));
  const manifest = applyEdit(newTargets(edition), firstManifest(options));
  const delegated = new Map([
    [ROLLOUTS_ROLE, manifest],
    ...options.releases.map((platform) => [releasesRole(platform), newTargets(edition)] as const),
  ]);
  const nothing = { version: 1, length: 1, hashes: { sha256: '0'.repeat(64) } };
  const names = ['targets', ...delegated.keys()];
  const snapshot = newSnapshot(new Map(names.map((name) => [name, nothing])), edition);
  const timestamp = newTimestamp(nothing, edition);
  assertProfile({ root, targets, delegated, snapshot, timestamp });
  const draft = (role: string, metadata: TargetsMetadata): Draft<TargetsMetadata> => ({
    trust: trustIn({ root, targets }, role) ?? rootTrust(root, 'targets'),
    after: 0,
    make: (next) => ({ ...metadata, ...next }),
  });
  return {
    roles: new Map(
      [['targets', targets] as const, ...delegated].map(([role, metadata]) => [
        role,
        draft(role, metadata),
      ]),
    ),
    snapshot: (changed) => ({
      trust: rootTrust(root, 'snapshot'),
      after: 0,
      make: (next) => newSnapshot(changed, next),
    }),
    timestamp: (meta) => ({
      trust: rootTrust(root, 'timestamp'),
      after: 0,
      make: (next) => newTimestamp(meta, next),
    }),
    condition: { kind: 'create-only' },
  };
}

function delegationsOf({ online, releases }: InitOptions): readonly NewDelegation[] {
  return [
    { ...online, name: ROLLOUTS_ROLE, paths: [MANIFEST_TARGET] },
    ...releases.map(({ keys, threshold, ...platform }) => ({
      keys,
      threshold,
      name: releasesRole(platform),
      paths: [releasesPath(platform)],
    })),
  ];
}

function firstManifest({ manifest }: InitOptions) {
  return { addFiles: [{ name: MANIFEST_TARGET, bytes: manifest }] };
}

async function refuseExisting(storage: Storage): Promise<void> {
  if ((await findObject(storage, TIMESTAMP_OBJECT, MAX_LENGTHS.timestamp)) !== null) {
    throw existsError(storage);
  }
}

async function writeFirstRoot(fresh: RootMetadata, options: InitOptions): Promise<void> {
  const { storage, now, signers } = options;
  const name = metadataObject('root', 1);
  const { bytes } = await signMetadata('root', fresh, { trust: rootTrust(fresh, 'root'), signers });
  if (await createObject(storage, name, bytes)) return;
  const found = await findObject(storage, name, MAX_LENGTHS.root);
  if (found === null) throw existsError(storage);
  // A crashed run left its root behind: it will do if it says the same and holds.
  const root = parseRoot(found.bytes, name);
  verifySignatures(name, root, rootTrust(root.signed, 'root'));
  verifyVersion(name, 1, root.signed.version);
  if (!isSameTrust(root.signed, fresh) || isExpired(root.signed, now)) {
    throw new RepositoryError(
      'repository/exists',
      `${storage.url} holds an unfinished repository: its ${name} has other keys, or is expired`,
      { hints: ['use an empty folder or prefix, or the keys of the first try'] },
    );
  }
}

function isSameTrust(a: RootMetadata, b: RootMetadata): boolean {
  const trust = ({ keys, roles, consistent_snapshot: consistent }: RootMetadata) =>
    canonicalBytes({ keys, roles, consistent });
  return Buffer.compare(trust(a), trust(b)) === 0;
}

function conflictError([a, b]: readonly [Platform, Platform]): RepositoryError {
  const name = ({ variant, arch }: Platform) => `${variant} on ${arch}`;
  return new RepositoryError(
    'repository/names',
    `release keys of ${name(a)} would own target names of ${name(b)}`,
    { hints: ['rename one of the variants'] },
  );
}

function existsError(storage: Storage): RepositoryError {
  return new RepositoryError('repository/exists', `${storage.url} holds a repository already`);
}
