import { createHash } from 'node:crypto';
import {
  isDelegatedRoleName,
  isPathPattern,
  isTargetName,
  MANIFEST_TARGET,
  matchesPath,
  platformOfRole,
  releasesPath,
  ROLLOUTS_ROLE,
} from '../names.ts';
import { CLIENTS } from './check.ts';
import type { LintCheck, Place } from './check.ts';
import type { Delegation, Facts } from './facts.ts';
import { patternsOverlap } from './patterns.ts';
import { listOf, objectOf, own, show } from './raw.ts';

const ROLE_FIELDS = ['name', 'keyids', 'threshold', 'terminating', 'paths', 'path_hash_prefixes'];

/** Who may sign which names. */
export const DELEGATION_CHECKS: readonly LintCheck[] = [
  {
    name: 'delegation-fields',
    severity: 'error',
    reason: 'tough drops fields that it does not know in delegations, so that signatures break',
    clients: ['tough', 'updog', 'tidegate'],
    find: ({ documents, delegations }) => [
      ...documents.flatMap(({ where, signed }) =>
        Object.keys(objectOf(signed['delegations']))
          .filter((field) => !['keys', 'roles', 'succinct_roles'].includes(field))
          .map((field) => ({ where, what: field })),
      ),
      ...delegations.flatMap(({ where, name, raw }) =>
        Object.keys(raw)
          .filter((field) => !ROLE_FIELDS.includes(field))
          .map((field) => ({ where, what: `${name}: ${field}` })),
      ),
    ],
  },
  {
    name: 'succinct-roles',
    severity: 'error',
    reason: 'tuftool and updog refuse succinct roles (TAP 15)',
    clients: ['tough', 'updog', 'tidegate'],
    find: ({ documents }) =>
      documents
        .filter(({ signed }) => Object.hasOwn(objectOf(signed['delegations']), 'succinct_roles'))
        .map(({ where }) => ({ where, what: 'succinct_roles' })),
  },
  {
    name: 'hash-prefixes',
    severity: 'error',
    reason: 'go-tuf finds no target that is delegated by path_hash_prefixes',
    clients: ['go-tuf', 'tidegate'],
    find: inDelegations(({ raw }) =>
      Object.hasOwn(raw, 'path_hash_prefixes') && !Object.hasOwn(raw, 'paths')
        ? 'path_hash_prefixes'
        : null,
    ),
  },
  {
    name: 'path-set',
    severity: 'error',
    reason: 'a delegation needs paths, in a list of text, and not two kinds of them',
    clients: ['tough', 'updog', 'tidegate'],
    find: inDelegations(({ raw, paths }) => {
      const hasPrefixes = Object.hasOwn(raw, 'path_hash_prefixes');
      if (hasPrefixes) return Object.hasOwn(raw, 'paths') ? 'paths and path_hash_prefixes' : null;
      if (paths === null || paths.length === 0) return 'no paths';
      return paths.length < listOf(raw['paths']).length ? 'a path is not text' : null;
    }),
  },
  {
    name: 'path-patterns',
    severity: 'error',
    reason:
      'clients read other patterns than a name, or the beginning of names and one *, in different ways',
    clients: ['tough', 'updog', 'python-tuf', 'tuf-js', 'tidegate'],
    find: inDelegations(({ paths }) => {
      const odd = (paths ?? []).filter((path) => !isPathPattern(path));
      return odd.length === 0 ? null : odd.map(show).join(' ');
    }),
  },
  {
    name: 'terminating',
    severity: 'error',
    reason: 'a role that does not end the search lets a later one answer for its names',
    clients: ['python-tuf', 'go-tuf', 'tuf-js', 'tidegate'],
    find: inDelegations(({ raw }) =>
      raw['terminating'] === false ? 'terminating is false' : null,
    ),
  },
  {
    name: 'role-names',
    severity: 'error',
    reason:
      'role names are [a-z][a-z0-9._-]*: others are quoted in different ways, or read outside the cache; tuf-js puts those of digits in another order',
    clients: ['tough', 'updog', 'tuf-js', 'tidegate'],
    find: inDelegations(({ name }) => (isDelegatedRoleName(name) ? null : 'is no role name')),
  },
  {
    name: 'role-once',
    severity: 'error',
    reason: 'tuf-js refuses a role that is delegated twice; others take the first one',
    clients: ['tuf-js', 'tidegate'],
    find: ({ delegations }) =>
      delegations
        .filter(({ name }, index) => delegations.findIndex((role) => role.name === name) < index)
        .map(({ where, name }) => ({ where, what: name })),
  },
  {
    name: 'one-owner',
    severity: 'error',
    reason: 'two roles that own one name: which of them a host believes depends on their order',
    clients: CLIENTS,
    find: overlaps,
  },
  {
    name: 'delegated-names',
    severity: 'error',
    reason:
      'hosts trust the rollouts role for the manifest and a releases role for its variant only',
    clients: ['tidegate'],
    find: inDelegations(({ where, name, paths }) => {
      // What is no name, no pattern or too deep is found elsewhere.
      if (
        where !== 'targets' ||
        !isDelegatedRoleName(name) ||
        paths === null ||
        !paths.every(isPathPattern)
      )
        return null;
      return paths.length === 0 || paths.join() === expectedPath(name) ? null : paths.join(' ');
    }),
  },
  {
    name: 'own-names',
    severity: 'error',
    reason: 'no client finds a target outside the names that are delegated to its role',
    clients: CLIENTS,
    find: ({ delegations, targets }) =>
      targets
        .filter(({ where, name }) => {
          const roles = delegations.filter((role) => role.name === where);
          return (
            isTargetName(name) &&
            roles.length > 0 &&
            roles.every((role) => mayHave(role, name) === false)
          );
        })
        .map(({ where, name }) => ({ where, what: show(name) })),
  },
  {
    name: 'delegations-only',
    severity: 'error',
    reason: 'a file in the top-level targets needs the offline key for every release',
    clients: ['tidegate'],
    find: ({ targets }) =>
      targets
        .filter(({ where }) => where === 'targets')
        .map(({ where, name }) => ({ where, what: show(name) })),
  },
  {
    name: 'one-level',
    severity: 'error',
    reason: 'a delegated role that delegates on hides who may sign what',
    clients: ['tidegate'],
    find: ({ delegations }) =>
      delegations
        .filter(({ where }) => where !== 'targets')
        .map(({ where, name }) => ({ where, what: `delegates to ${show(name)}` })),
  },
  {
    name: 'no-dangling-role',
    severity: 'error',
    reason: 'tuftool and updog load every delegated role at the start and fail as a whole',
    clients: ['tough', 'updog', 'tuf-js', 'tidegate'],
    find: ({ repository, delegations }) => {
      const { snapshot, delegated, missing } = repository;
      const meta = objectOf(objectOf(snapshot?.signed)['meta']);
      if (snapshot?.signed === undefined) return [];
      const unnamed = ['targets', ...new Set(delegations.map(({ name }) => name))]
        .filter((name) => own(meta, `${name}.json`) === undefined)
        .map((name) => ({ where: 'snapshot', what: `does not name ${show(name)}` }));
      const unread = delegations
        .filter(({ name }) => own(meta, `${name}.json`) !== undefined && !delegated.has(name))
        // What no object can be called, no storage could be asked for.
        .filter(({ name }) => isDelegatedRoleName(name))
        .filter(({ name }) => !missing.some((file) => file.endsWith(`${name}.json`)))
        .map(({ where, name }) => ({ where, what: `${show(name)} has no metadata` }));
      return [...unnamed, ...unread];
    },
  },
];

function inDelegations(find: (delegation: Delegation) => string | null) {
  return ({ delegations }: Facts): readonly Place[] =>
    delegations.flatMap((delegation) => {
      const what = find(delegation);
      return what === null
        ? []
        : [{ where: delegation.where, what: `${show(delegation.name)}: ${what}` }];
    });
}

function overlaps({ delegations }: Facts): readonly Place[] {
  return delegations.flatMap((role, index) =>
    delegations
      .slice(index + 1)
      // A role below another has names of it by design, and a role with the same name is another finding.
      .filter((other) => other.where === role.where && other.name !== role.name)
      .flatMap((other) => {
        const shared = (role.paths ?? []).flatMap((a) =>
          (other.paths ?? []).filter((b) => patternsOverlap(a, b)).map((b) => `${a} and ${b}`),
        );
        const [first] = shared;
        return first === undefined
          ? []
          : [{ where: role.where, what: `${show(role.name)} and ${show(other.name)}: ${first}` }];
      }),
  );
}

function expectedPath(role: string): string | null {
  if (role === ROLLOUTS_ROLE) return MANIFEST_TARGET;
  const platform = platformOfRole(role);
  return platform === null ? null : releasesPath(platform);
}

/** Null if the patterns are none that every client reads the same way. */
function mayHave({ raw, paths }: Delegation, target: string): boolean | null {
  if (Object.hasOwn(raw, 'path_hash_prefixes')) {
    const hash = createHash('sha256').update(target).digest('hex');
    return listOf(raw['path_hash_prefixes']).some((prefix) => hash.startsWith(String(prefix)));
  }
  if (paths === null || paths.length === 0 || !paths.every(isPathPattern)) return null;
  return paths.some((path) => matchesPath(path, target));
}
