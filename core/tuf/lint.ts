import { SPEC_VERSION } from './edit.ts';
import { TufError } from './errors.ts';
import { keyId, keySchema } from './keys.ts';
import type { Keys, RoleKeys } from './metadata.ts';
import {
  findPrefixConflict,
  isDelegatedRoleName,
  isPathPattern,
  isTargetName,
  MANIFEST_TARGET,
  matchesPath,
  platformOfRole,
  releasesPath,
  ROLLOUTS_ROLE,
} from './names.ts';
import type { RepositoryMetadata } from './repository-metadata.ts';

/** One rule of the profile. `find` says each place that breaks it. */
export type LintCheck = {
  readonly name: string;
  /** What goes wrong with which client if the rule is broken. */
  readonly reason: string;
  readonly find: (metadata: RepositoryMetadata) => readonly string[];
};

export type LintFinding = {
  readonly check: string;
  readonly reason: string;
  readonly found: string;
};

const MAX_TARGETS = 500;
const MAX_SNAPSHOT_ENTRIES = 256;

export const LINT_CHECKS: readonly LintCheck[] = [
  {
    name: 'consistent-snapshots',
    reason: 'without versioned names a host can read a mixture of two publications',
    find: ({ root }) => (root.consistent_snapshot ? [] : ['root']),
  },
  {
    name: 'spec-version',
    reason: 'tuftool update and rust-tuf accept 1.0.0 only',
    find: (metadata) =>
      everyRole(metadata)
        .filter(([, role]) => role.spec_version !== SPEC_VERSION)
        .map(([name, role]) => `${name}: ${role.spec_version}`),
  },
  {
    name: 'whole-second-expiry',
    reason: 'tough and python-tuf refuse fractions and offsets, or compute another signature',
    find: (metadata) =>
      everyRole(metadata)
        .filter(([, { expires }]) => !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(expires))
        .map(([name, { expires }]) => `${name}: ${expires}`),
  },
  {
    name: 'keys',
    reason: 'updog and tough refuse other kinds of keys, extra fields and other key ids',
    find: (metadata) =>
      keyRings(metadata).flatMap(([holder, keys]) =>
        Object.entries(keys)
          .filter(([id, key]) => !keySchema.safeParse(key).success || keyId(key) !== id)
          .map(([id]) => `${holder}: ${id}`),
      ),
  },
  {
    name: 'thresholds',
    reason: 'a role whose threshold its own keys cannot reach can never be signed again',
    find: (metadata) =>
      roleKeys(metadata)
        .filter(([, role]) => role.threshold < 1 || role.threshold > new Set(role.keyids).size)
        .map(([name, role]) => `${name}: ${role.threshold} of ${role.keyids.length}`),
  },
  {
    name: 'key-once',
    reason: 'one key under two ids would count twice for a threshold in tuf-js',
    find: (metadata) =>
      keyRings(metadata).flatMap(([holder, keys]) => {
        const material = Object.values(keys).map((key) => key.keyval.public);
        return new Set(material).size < material.length ? [holder] : [];
      }),
  },
  {
    name: 'sha256-only',
    reason: 'a second hash asks for a second copy of each target, and tuf-js takes the first one',
    find: (metadata) => [
      ...everyTarget(metadata)
        .filter(([, , { hashes }]) => Object.keys(hashes).join() !== 'sha256')
        .map(([role, name]) => `${role}: ${name}`),
      ...Object.entries({ ...metadata.snapshot.meta, ...metadata.timestamp.meta })
        .filter(([, { hashes }]) => Object.keys(hashes).join() !== 'sha256')
        .map(([file]) => file),
    ],
  },
  {
    name: 'custom',
    reason:
      'tough drops an empty custom and normalises Unicode before it verifies, so signatures break',
    find: (metadata) =>
      everyTarget(metadata)
        .filter(([, , { custom }]) => custom !== undefined && !isSafeCustom(custom))
        .map(([role, name]) => `${role}: ${name}`),
  },
  {
    name: 'role-names',
    reason: 'other names are quoted in different ways, reordered or read outside the cache',
    find: (metadata) =>
      delegationsOf(metadata)
        .map(({ name }) => name)
        .filter((name) => !isDelegatedRoleName(name)),
  },
  {
    name: 'flat-target-names',
    reason: 'tough and the other clients disagree on where a target in a folder is stored',
    find: (metadata) =>
      everyTarget(metadata)
        .filter(([, name]) => !isTargetName(name))
        .map(([role, name]) => `${role}: ${name}`),
  },
  {
    name: 'paths',
    reason: 'the clients read other patterns than a prefix with one * in different ways',
    find: (metadata) =>
      delegationsOf(metadata)
        .filter(({ paths }) => paths.length === 0 || !paths.every(isPathPattern))
        .map(({ name }) => name),
  },
  {
    name: 'terminating',
    reason: 'a role that does not end the search lets a later one answer for its names',
    find: (metadata) =>
      delegationsOf(metadata)
        .filter(({ terminating }) => !terminating)
        .map(({ name }) => name),
  },
  {
    name: 'one-owner',
    reason: 'two roles that own one name can each replace the files of the other',
    find: (metadata) => {
      const platforms = delegationsOf(metadata).flatMap(({ name }) => platformOfRole(name) ?? []);
      const conflict = findPrefixConflict(platforms);
      return conflict === null
        ? []
        : [conflict.map(({ variant, arch }) => `${variant} on ${arch}`).join(' owns names of ')];
    },
  },
  {
    name: 'delegated-names',
    reason:
      'hosts trust the rollouts role for the manifest and a releases role for its variant only',
    find: (metadata) =>
      delegationsOf(metadata)
        .filter(({ name, paths }) => paths.join() !== expectedPath(name))
        .map(({ name, paths }) => `${name}: ${paths.join(' ')}`),
  },
  {
    name: 'own-names',
    reason: 'no client finds a target outside the names that are delegated to its role',
    find: (metadata) =>
      delegationsOf(metadata).flatMap(({ name, paths }) =>
        Object.keys(metadata.delegated.get(name)?.targets ?? {})
          .filter((target) => !paths.some((path) => matchesPath(path, target)))
          .map((target) => `${name}: ${target}`),
      ),
  },
  {
    name: 'delegations-only',
    reason: 'a file in the top-level targets would need the offline key for every release',
    find: ({ targets }) => Object.keys(targets.targets),
  },
  {
    name: 'one-level',
    reason: 'a delegated role that delegates on hides who may sign what',
    find: ({ delegated }) =>
      [...delegated].filter(([, role]) => role.delegations !== undefined).map(([name]) => name),
  },
  {
    name: 'no-dangling-role',
    reason: 'tuftool and updog load every delegated role at the start and fail as a whole',
    find: (metadata) => {
      const names = ['targets', ...delegationsOf(metadata).map(({ name }) => name)];
      const listed = Object.keys(metadata.snapshot.meta).map((file) => file.slice(0, -5));
      return [
        ...names.filter((name) => name !== 'targets' && !metadata.delegated.has(name)),
        ...names.filter((name) => !listed.includes(name)).map((name) => `${name}: snapshot`),
      ];
    },
  },
  {
    name: 'size',
    reason: `tuf-js takes quadratic time: at most ${MAX_TARGETS} targets a role and ${MAX_SNAPSHOT_ENTRIES} roles`,
    find: (metadata) => [
      ...[...metadata.delegated]
        .map(([name, { targets }]) => [name, Object.keys(targets).length] as const)
        .filter(([, count]) => count > MAX_TARGETS)
        .map(([name, count]) => `${name}: ${count} targets`),
      ...[Object.keys(metadata.snapshot.meta).length]
        .filter((count) => count > MAX_SNAPSHOT_ENTRIES)
        .map((count) => `snapshot: ${count} roles`),
    ],
  },
];

/** Everything in the repository that breaks the profile; nothing if all clients can read it. */
export function lint(
  metadata: RepositoryMetadata,
  checks: readonly LintCheck[] = LINT_CHECKS,
): readonly LintFinding[] {
  return checks.flatMap(({ name, reason, find }) =>
    find(metadata).map((found) => ({ check: name, reason, found })),
  );
}

/** Throws `tuf/profile` with the first finding, and how many there are. */
export function assertProfile(metadata: RepositoryMetadata): void {
  const findings = lint(metadata);
  const [first] = findings;
  if (first === undefined) return;
  const more = findings.length === 1 ? '' : ` (and ${findings.length - 1} more findings)`;
  throw new TufError(
    'tuf/profile',
    `metadata breaks the rule ${first.check}: ${first.found}${more}`,
    { hints: [first.reason] },
  );
}

function everyRole(metadata: RepositoryMetadata) {
  const { root, targets, delegated, snapshot, timestamp } = metadata;
  return [
    ['root', root],
    ['targets', targets],
    ...delegated,
    ['snapshot', snapshot],
    ['timestamp', timestamp],
  ] as const;
}

function everyTarget({ targets, delegated }: RepositoryMetadata) {
  return [['targets', targets] as const, ...delegated].flatMap(([role, metadata]) =>
    Object.entries(metadata.targets).map(([name, file]) => [role, name, file] as const),
  );
}

function delegationsOf({ targets }: RepositoryMetadata) {
  return targets.delegations?.roles ?? [];
}

function keyRings({ root, targets }: RepositoryMetadata): readonly (readonly [string, Keys])[] {
  return [
    ['root', root.keys],
    ['targets', targets.delegations?.keys ?? {}],
  ];
}

function roleKeys(metadata: RepositoryMetadata): readonly (readonly [string, RoleKeys])[] {
  return [
    ...Object.entries(metadata.root.roles),
    ...delegationsOf(metadata).map((role) => [role.name, role] as const),
  ];
}

function expectedPath(role: string): string | null {
  if (role === ROLLOUTS_ROLE) return MANIFEST_TARGET;
  const platform = platformOfRole(role);
  return platform === null ? null : releasesPath(platform);
}

function isSafeCustom(custom: Readonly<Record<string, unknown>>): boolean {
  const text = JSON.stringify(custom);
  return text !== '{}' && text === text.normalize('NFC');
}
