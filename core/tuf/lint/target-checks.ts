import { isTargetName } from '../names.ts';
import type { LintCheck, Place } from './check.ts';
import type { Facts, Target } from './facts.ts';
import { objectOf, show } from './raw.ts';

/** tuf-js takes quadratic time: 500 targets are parsed in 15 ms, 10,000 in 20 s. */
const MAX_TARGETS = 500;

/** What is listed. */
export const TARGET_CHECKS: readonly LintCheck[] = [
  {
    name: 'flat-target-names',
    severity: 'error',
    reason: 'tough asks for <hash>.folder/name where everyone else asks for folder/<hash>.name',
    clients: ['tough', 'updog', 'tidegate'],
    find: inTargets(({ name }) => (name.includes('/') ? '' : null)),
  },
  {
    name: 'hidden-target-names',
    severity: 'error',
    reason: 'tuf-js matches no * with a name that begins with a dot; the others do',
    clients: ['tuf-js', 'tidegate'],
    find: inTargets(({ name }) => (name.startsWith('.') && !name.includes('/') ? '' : null)),
  },
  {
    name: 'target-names',
    severity: 'error',
    reason:
      'target names are [A-Za-z0-9._-], at most 160: tuf-js does not quote them in URLs, tough resolves them, and + means a space to some stores',
    clients: ['tough', 'updog', 'tuf-js', 'tidegate'],
    find: inTargets(({ name }) =>
      isTargetName(name) || name.includes('/') || name.startsWith('.') ? null : '',
    ),
  },
  {
    name: 'sha256',
    severity: 'error',
    reason: 'tough refuses a file without a SHA-256, which is 64 lower-case hex digits',
    clients: ['tough', 'updog', 'tidegate'],
    find: inHashes((hashes) => {
      const sha256 = hashes['sha256'];
      return typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) ? null : show(hashes);
    }),
  },
  {
    name: 'sha256-only',
    severity: 'error',
    reason: 'a second hash asks for a second copy of each target, and tuf-js takes the first one',
    clients: ['tuf-js'],
    find: inHashes((hashes) => {
      const others = Object.keys(hashes).filter((name) => name !== 'sha256');
      // sha512 alone is no second hash.
      return others.length === 0 || !Object.hasOwn(hashes, 'sha256') ? null : others.join(', ');
    }),
  },
  {
    name: 'empty-custom',
    severity: 'error',
    reason: 'tough leaves an empty custom out before it verifies, so that signatures break',
    clients: ['tough', 'updog'],
    find: inTargets(({ raw }) =>
      Object.hasOwn(raw, 'custom') && JSON.stringify(raw['custom']) === '{}'
        ? 'custom is {}'
        : null,
    ),
  },
  {
    name: 'target-count',
    severity: 'error',
    reason: `tuf-js takes quadratic time: at most ${MAX_TARGETS} targets a role`,
    clients: ['tuf-js', 'tidegate'],
    find: ({ documents }) =>
      documents
        .map(
          ({ where, signed }) => [where, Object.keys(objectOf(signed['targets'])).length] as const,
        )
        .filter(([, count]) => count > MAX_TARGETS)
        .map(([where, count]) => ({ where, what: `${count} targets` })),
  },
];

function inTargets(find: (target: Target) => string | null) {
  return ({ targets }: Facts): readonly Place[] =>
    targets.flatMap((target) => {
      const what = find(target);
      if (what === null) return [];
      return [{ where: target.where, what: [show(target.name), what].filter(Boolean).join(': ') }];
    });
}

/** Of targets and of metadata files; those without any hash are other checks' business. */
function inHashes(find: (hashes: Readonly<Record<string, unknown>>) => string | null) {
  return ({ targets, metas }: Facts): readonly Place[] =>
    [...targets, ...metas].flatMap(({ where, name, raw }) => {
      if (!Object.hasOwn(raw, 'hashes')) return [];
      const what = find(objectOf(raw['hashes']));
      return what === null ? [] : [{ where, what: `${show(name)}: ${what}` }];
    });
}
