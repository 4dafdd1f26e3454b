import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { newRoot, newSnapshot, newTargets, newTimestamp } from '../../core/tuf/edit.ts';
import type { KeyHolders, NewDelegation } from '../../core/tuf/edit.ts';
import { DEFAULT_EXPIRY_POLICY, expiresOf } from '../../core/tuf/lifetimes.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import { assertProfile } from '../../core/tuf/lint.ts';
import { MAX_LENGTHS, parseRoot } from '../../core/tuf/metadata.ts';
import type { RootMetadata, SignedMetadata, TargetsMetadata } from '../../core/tuf/metadata.ts';
import {
  findPrefixConflict,
  MANIFEST_TARGET,
  releasesPath,
  releasesRole,
  ROLLOUTS_ROLE,
} from '../../core/tuf/names.ts';
import type { Platform } from '../../core/tuf/names.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import {
  isExpired,
  rootTrust,
  verifyFresh,
  verifySignatures,
  verifyVersion,
} from '../../core/tuf/verify.ts';
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
  readonly expiry?: ExpiryPolicy;
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

/** The first metadata of the roles whose keys are offline, not yet signed. */
export type FirstMetadata = {
  readonly root: RootMetadata;
  readonly targets: TargetsMetadata;
  /** Empty, by role. */
  readonly releases: ReadonlyMap<string, TargetsMetadata>;
};

export type FoundOptions = Patience &
  Pick<InitOptions, 'storage' | 'now' | 'expiry' | 'manifest'> & {
    readonly root: SignedMetadata<RootMetadata>;
    /** The targets role and every releases role that it delegates. */
    readonly adopted: ReadonlyMap<string, SignedMetadata<TargetsMetadata>>;
    /** Keys of rollouts, snapshot and timestamp. */
    readonly signers: readonly Signer[];
  };

/** Version 1 of what people sign. Throws `repository/names` if one variant would own target names of another. */
export function firstMetadata(
  options: Pick<InitOptions, 'now' | 'expiry' | 'root' | 'targets' | 'online' | 'releases'>,
): FirstMetadata {
  const conflict = findPrefixConflict(options.releases);
  if (conflict !== null) throw conflictError(conflict);
  const { now, expiry = DEFAULT_EXPIRY_POLICY } = options;
  const edition = (role: string) => ({ version: 1, expires: expiresOf(role, now, expiry) });
  const { root, targets, online } = options;
  return {
    root: newRoot({ root, targets, snapshot: online, timestamp: online }, edition('root')),
    targets: newTargets(edition('targets'), delegationsOf(options)),
    releases: new Map(
      options.releases.map((platform) => {
        const role = releasesRole(platform);
        return [role, newTargets(edition(role))] as const;
      }),
    ),
  };
}

/**
 * Makes a repository in an empty storage. After a crash the same call finishes the work. Throws `repository/exists` if a
 * repository is there, or an unfinished one of other keys; what is there is never changed.
 */
export async function initRepository(options: InitOptions): Promise<void> {
  const { signers } = options;
  const { root, targets, releases } = firstMetadata(options);
  const revision = firstRevision(root, {
    ...options,
    targets,
    signed: new Map([['targets', targets], ...releases]),
    adopted: new Map(),
  });
  requireSigners('root', rootTrust(root, 'root'), signers);
  requireAllSigners(revision, signers);
  const trust = rootTrust(root, 'root');
  await write(await signMetadata('root', root, { trust, signers }), revision, options);
}

/** As `initRepository`, from metadata that several people signed before. Throws also if signatures or roles are missing. */
export async function foundRepository(options: FoundOptions): Promise<void> {
  const { root, adopted, signers, now } = options;
  const targets = adopted.get('targets');
  if (targets === undefined) {
    throw new RepositoryError('repository/role', 'the first metadata of role targets is missing');
  }
  verifySignatures('the first root', root, rootTrust(root.signed, 'root'));
  verifyVersion('the first root', 1, root.signed.version);
  verifyFresh('the first root', root.signed, now);
  const parents = { root: root.signed, targets: targets.signed };
  for (const [role, file] of adopted) {
    const trust = trustIn(parents, role);
    if (trust === null) {
      throw new RepositoryError('repository/role', `no role ${role} is delegated`);
    }
    verifySignatures(`the file of role ${role}`, file, trust);
    verifyFresh(`the file of role ${role}`, file.signed, now);
  }
  const revision = firstRevision(root.signed, {
    ...options,
    targets: targets.signed,
    signed: new Map(),
  });
  requireAllSigners(revision, signers);
  await write(root, revision, options);
}

async function write(
  root: SignedMetadata<RootMetadata>,
  revision: Revision,
  options: Pick<InitOptions, 'storage' | 'now' | 'expiry' | 'manifest' | 'signers'> & Patience,
): Promise<void> {
  const { storage, now, signers, expiry = DEFAULT_EXPIRY_POLICY } = options;
  await refuseExisting(storage);
  await writeFirstRoot(root, options);
  await storeTargets(storage, firstManifest(options));
  const outcome = await writeRevision(revision, {
    storage,
    signers,
    now,
    expiry,
    taken: new Map(),
    onRival: () => {},
    patience: options,
  });
  if (outcome.kind === 'lost') throw existsError(storage);
}

function firstRevision(
  root: RootMetadata,
  {
    targets,
    signed,
    adopted,
    manifest,
  }: Pick<InitOptions, 'manifest'> &
    Pick<FoundOptions, 'adopted'> & {
      readonly targets: TargetsMetadata;
      readonly signed: ReadonlyMap<string, TargetsMetadata>;
    },
): Revision {
  // Version and expiry of these do not matter: each is made anew under the number that is free.
  const edition = { version: 1, expires: root.expires };
  const rollouts = applyEdit(newTargets(edition), firstManifest({ manifest }));
  const drafted = new Map([...signed, [ROLLOUTS_ROLE, rollouts] as const]);
  const delegated = new Map(
    [...drafted, ...[...adopted].map(([role, file]) => [role, file.signed] as const)].filter(
      ([role]) => role !== 'targets',
    ),
  );
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
    roles: new Map([...drafted].map(([role, metadata]) => [role, draft(role, metadata)])),
    adopted,
    // It is written before all else: there is nobody yet who could see it too early.
    root: null,
    snapshot: (changed) => ({
      trust: rootTrust(root, 'snapshot'),
      after: 0,
      make: (next) => newSnapshot(changed, next),
    }),
    timestamp: (meta) => ({
      trust: rootTrust(root, 'timestamp'),
      after: 0,
      make: (next) => newTimestamp(meta ?? nothing, next),
    }),
    condition: { kind: 'create-only' },
  };
}

function delegationsOf({
  online,
  releases,
}: Pick<InitOptions, 'online' | 'releases'>): readonly NewDelegation[] {
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

function firstManifest({ manifest }: Pick<InitOptions, 'manifest'>) {
  return { addFiles: [{ name: MANIFEST_TARGET, bytes: manifest }] };
}

async function refuseExisting(storage: Storage): Promise<void> {
  if ((await findObject(storage, TIMESTAMP_OBJECT, MAX_LENGTHS.timestamp)) !== null) {
    throw existsError(storage);
  }
}

async function writeFirstRoot(
  fresh: SignedMetadata<RootMetadata>,
  { storage, now }: Pick<InitOptions, 'storage' | 'now'>,
): Promise<void> {
  const name = metadataObject('root', 1);
  if (await createObject(storage, name, fresh.bytes)) return;
  const found = await findObject(storage, name, MAX_LENGTHS.root);
  if (found === null) throw existsError(storage);
  // A crashed run left its root behind: it will do if it says the same and holds.
  const root = parseRoot(found.bytes, name);
  verifySignatures(name, root, rootTrust(root.signed, 'root'));
  verifyVersion(name, 1, root.signed.version);
  if (!isSameTrust(root.signed, fresh.signed) || isExpired(root.signed, now)) {
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
