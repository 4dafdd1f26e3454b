import { TufError } from './errors.ts';
import { keyId } from './keys.ts';
import type { Key } from './keys.ts';
import type {
  DelegatedRole,
  Delegations,
  Keys,
  MetaFile,
  RoleKeys,
  RootMetadata,
  SnapshotMetadata,
  TargetFile,
  TargetsMetadata,
  TimestampMetadata,
  TopLevelRole,
} from './metadata.ts';
import type { Content } from './verify.ts';

/** What every client reads; `tuftool update` insists on it. */
export const SPEC_VERSION = '1.0.0';

/** The number and the end of life of the metadata that an edit makes. */
export type Edition = { readonly version: number; readonly expires: string };

/** Keys that share a role, and how many of them must sign. */
export type KeyHolders = { readonly keys: readonly Key[]; readonly threshold: number };

export type NewDelegation = KeyHolders & {
  readonly name: string;
  readonly paths: readonly string[];
};

export function newRoot(
  roles: Readonly<Record<TopLevelRole, KeyHolders>>,
  edition: Edition,
): RootMetadata {
  return {
    _type: 'root',
    spec_version: SPEC_VERSION,
    ...edition,
    consistent_snapshot: true,
    keys: keysById(Object.values(roles)),
    roles: {
      root: roleKeys('root', roles.root),
      targets: roleKeys('targets', roles.targets),
      snapshot: roleKeys('snapshot', roles.snapshot),
      timestamp: roleKeys('timestamp', roles.timestamp),
    },
  };
}

export function newTargets(
  edition: Edition,
  delegations: readonly NewDelegation[] = [],
): TargetsMetadata {
  const metadata = {
    _type: 'targets' as const,
    spec_version: SPEC_VERSION,
    ...edition,
    targets: {},
  };
  return delegations.length === 0 ? metadata : addDelegations(metadata, delegations);
}

/** Adds terminating delegations behind the existing ones. Throws `tuf/name` for a role that is there. */
export function addDelegations(
  metadata: TargetsMetadata,
  added: readonly NewDelegation[],
): TargetsMetadata {
  const before: Delegations = metadata.delegations ?? { keys: {}, roles: [] };
  const taken = before.roles.find(({ name }) => added.some((role) => role.name === name));
  if (taken !== undefined) throw new TufError('tuf/name', `role ${taken.name} exists`);
  const roles = added.map((role): DelegatedRole => ({
    ...roleKeys(role.name, role),
    name: role.name,
    terminating: true,
    paths: role.paths,
  }));
  return {
    ...metadata,
    delegations: {
      keys: { ...before.keys, ...keysById(added) },
      roles: [...before.roles, ...roles],
    },
  };
}

/**
 * Adds target files. The same bytes under an existing name change nothing; other bytes throw `tuf/target-exists`, because
 * a published name never changes its content.
 */
export function addTargets(
  metadata: TargetsMetadata,
  added: Readonly<Record<string, TargetFile>>,
): TargetsMetadata {
  const before = metadata.targets;
  for (const [name, { length, hashes }] of Object.entries(added)) {
    const existing = Object.hasOwn(before, name) ? before[name] : undefined;
    const isSame = existing?.length === length && existing.hashes.sha256 === hashes.sha256;
    if (existing !== undefined && !isSame) {
      throw new TufError(
        'tuf/target-exists',
        `target ${name} exists with SHA-256 ${existing.hashes.sha256}, got other bytes with ${hashes.sha256}`,
      );
    }
  }
  // Those that are there keep their entries, with all that later writers put into them.
  return { ...metadata, targets: { ...added, ...before } };
}

/** Gives one name new content. Only for names that are made to change, as `manifest.json`. */
export function replaceTarget(
  metadata: TargetsMetadata,
  name: string,
  file: TargetFile,
): TargetsMetadata {
  return { ...metadata, targets: { ...metadata.targets, [name]: file } };
}

/** Lists these names no more. One that is not there is no error, so that an edit can be applied twice. */
export function removeTargets(
  metadata: TargetsMetadata,
  names: readonly string[],
): TargetsMetadata {
  const kept = Object.entries(metadata.targets).filter(([name]) => !names.includes(name));
  return { ...metadata, targets: Object.fromEntries(kept) };
}

/** A targets role as of an edition. tuftool gives a role that delegates to nobody keys all the same: they are left out. */
export function targetsOf(metadata: TargetsMetadata, edition: Edition): TargetsMetadata {
  const { delegations, ...rest } = metadata;
  const isEmpty = delegations === undefined || delegations.roles.length === 0;
  return {
    ...rest,
    ...(isEmpty ? {} : { delegations }),
    ...edition,
    spec_version: SPEC_VERSION,
  };
}

/** The next edition of any metadata, in our spec version. Throws `tuf/version` unless its version is higher. */
export function nextEdition<S extends { readonly version: number }>(
  metadata: S,
  edition: Edition,
): S & Edition {
  if (edition.version <= metadata.version) {
    throw new TufError(
      'tuf/version',
      `the version after ${metadata.version} must be higher, got ${edition.version}`,
    );
  }
  return { ...metadata, ...edition, spec_version: SPEC_VERSION };
}

export function newSnapshot(
  roles: ReadonlyMap<string, MetaFile>,
  edition: Edition,
): SnapshotMetadata {
  return { _type: 'snapshot', spec_version: SPEC_VERSION, ...edition, meta: metaOf(roles) };
}

/** TUF 5.5.5: no role's version goes back, and none disappears. */
export function nextSnapshot(
  snapshot: SnapshotMetadata,
  changed: ReadonlyMap<string, MetaFile>,
  edition: Edition,
): SnapshotMetadata {
  const meta = metaOf(changed);
  for (const [file, { version }] of Object.entries(meta)) {
    const before = Object.hasOwn(snapshot.meta, file) ? snapshot.meta[file] : undefined;
    if (before !== undefined && version <= before.version) {
      throw new TufError(
        'tuf/version',
        `the version of ${file} after ${before.version} must be higher, got ${version}`,
      );
    }
  }
  return { ...nextEdition(snapshot, edition), meta: { ...snapshot.meta, ...meta } };
}

export function newTimestamp(snapshot: MetaFile, edition: Edition): TimestampMetadata {
  return {
    _type: 'timestamp',
    spec_version: SPEC_VERSION,
    ...edition,
    meta: { 'snapshot.json': snapshot },
  };
}

export function nextTimestamp(
  timestamp: TimestampMetadata,
  snapshot: MetaFile,
  edition: Edition,
): TimestampMetadata {
  return { ...nextEdition(timestamp, edition), meta: { 'snapshot.json': snapshot } };
}

export function metaFile(version: number, { length, hashes }: Content): MetaFile {
  return { version, length, hashes };
}

function metaOf(roles: ReadonlyMap<string, MetaFile>): Readonly<Record<string, MetaFile>> {
  return Object.fromEntries([...roles].map(([role, file]) => [`${role}.json`, file]));
}

function roleKeys(role: string, { keys, threshold }: KeyHolders): RoleKeys {
  const keyids = [...new Set(keys.map(keyId))];
  if (keyids.length < keys.length) {
    throw new TufError('tuf/key', `role ${role}: one key is given twice`);
  }
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > keyids.length) {
    throw new TufError(
      'tuf/threshold',
      `role ${role}: the threshold must be 1 to ${keyids.length}, its number of keys, got ${threshold}`,
    );
  }
  return { keyids, threshold };
}

function keysById(holders: readonly KeyHolders[]): Keys {
  return Object.fromEntries(holders.flatMap(({ keys }) => keys).map((key) => [keyId(key), key]));
}
