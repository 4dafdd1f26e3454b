import type {
  RootMetadata,
  SnapshotMetadata,
  TargetFile,
  TargetsMetadata,
  TimestampMetadata,
} from './metadata.ts';
import { matchesPath, platformOfRole, versionOfDocument } from './names.ts';
import type { Platform } from './names.ts';
import { isExpired, rootTrust } from './verify.ts';
import type { RoleTrust } from './verify.ts';

/** One consistent state of a repository's metadata. */
export type RepositoryMetadata = {
  readonly root: RootMetadata;
  readonly targets: TargetsMetadata;
  /** The roles that `targets` delegates to, by name. */
  readonly delegated: ReadonlyMap<string, TargetsMetadata>;
  readonly snapshot: SnapshotMetadata;
  readonly timestamp: TimestampMetadata;
};

export type FoundTarget = TargetFile & { readonly name: string; readonly role: string };

/** A release whose document is published; the document is the name of a target. */
export type PublishedRelease = Platform & { readonly version: string; readonly document: string };

export type RoleExpiry = {
  readonly role: string;
  readonly version: number;
  readonly expires: Date;
  readonly isExpired: boolean;
};

/** The file that a host gets for this name (TUF 5.6.7): the first role in order that may have it and has it, or null. */
export function findTarget(metadata: RepositoryMetadata, name: string): FoundTarget | null {
  const own = fileIn('targets', metadata.targets, name);
  if (own !== null) return own;
  for (const delegation of metadata.targets.delegations?.roles ?? []) {
    if (!delegation.paths.some((path) => matchesPath(path, name))) continue;
    const role = metadata.delegated.get(delegation.name);
    const found = role === undefined ? null : fileIn(delegation.name, role, name);
    if (found !== null || delegation.terminating) return found;
  }
  return null;
}

/** Every release with a document that a host would find, in the order of the delegations and of the targets. */
export function publishedReleases(metadata: RepositoryMetadata): readonly PublishedRelease[] {
  return [...metadata.delegated].flatMap(([role, { targets }]) => {
    const platform = platformOfRole(role);
    if (platform === null) return [];
    return Object.keys(targets).flatMap((document) => {
      const version = versionOfDocument(platform, document);
      const isFound = version !== null && findTarget(metadata, document)?.role === role;
      return isFound ? [{ ...platform, version, document }] : [];
    });
  });
}

/** When each role expires: root, targets, the delegated roles in order, snapshot, timestamp. */
export function roleExpiries(metadata: RepositoryMetadata, now: Date): readonly RoleExpiry[] {
  const roles = [
    ['root', metadata.root],
    ['targets', metadata.targets],
    ...metadata.delegated,
    ['snapshot', metadata.snapshot],
    ['timestamp', metadata.timestamp],
  ] as const;
  return roles.map(([role, { version, expires }]) => ({
    role,
    version,
    expires: new Date(expires),
    isExpired: isExpired({ expires }, now),
  }));
}

/** Who may sign a role, or null if no such role is delegated. */
export function trustIn(
  metadata: Pick<RepositoryMetadata, 'root' | 'targets'>,
  role: string,
): RoleTrust | null {
  if (role === 'root' || role === 'targets' || role === 'snapshot' || role === 'timestamp') {
    return rootTrust(metadata.root, role);
  }
  const delegations = metadata.targets.delegations;
  const delegation = delegations?.roles.find(({ name }) => name === role);
  return delegations === undefined || delegation === undefined
    ? null
    : { ...delegation, keys: delegations.keys };
}

function fileIn(role: string, { targets }: TargetsMetadata, name: string): FoundTarget | null {
  const file = Object.hasOwn(targets, name) ? targets[name] : undefined;
  return file === undefined ? null : { ...file, name, role };
}
