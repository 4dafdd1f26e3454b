import { MAX_LENGTHS } from '../metadata.ts';
import { contentOf, isExpired } from '../verify.ts';
import { CLIENTS } from './check.ts';
import type { Client, LintCheck, Place } from './check.ts';
import type { Facts, Meta } from './facts.ts';
import { objectOf, show } from './raw.ts';
import type { Document } from './raw.ts';

/** tuf-js takes quadratic time here too. */
const MAX_SNAPSHOT_ENTRIES = 256;
/** tuf-js follows no longer chain of roots. */
export const MAX_ROOT_ROTATIONS = 256;

/** How the files stand to each other, and in time. */
export const FILE_CHECKS: readonly LintCheck[] = [
  {
    name: 'missing-files',
    severity: 'error',
    reason: 'no client gets past metadata that is named and not there',
    clients: CLIENTS,
    find: ({ repository }) =>
      repository.missing.map((what) => ({ where: what, what: 'is missing' })),
  },
  {
    name: 'meta-names',
    severity: 'error',
    reason: 'a timestamp names snapshot.json alone, a snapshot names files that end in .json',
    clients: ['tough', 'updog', 'python-tuf', 'tidegate'],
    find: ({ metas, repository }) => [
      ...metas
        .filter(({ where, name }) =>
          where === 'timestamp' ? name !== 'snapshot.json' : !name.endsWith('.json'),
        )
        .map(({ where, name }) => ({ where, what: show(name) })),
      ...(repository.timestamp?.signed === undefined ||
      metas.some(({ where, name }) => where === 'timestamp' && name === 'snapshot.json')
        ? []
        : [{ where: 'timestamp', what: 'does not name snapshot.json' }]),
    ],
  },
  {
    name: 'meta-length',
    severity: 'error',
    reason:
      'updog of 2024 refuses a timestamp or snapshot without length and hashes, and they bound what a client reads',
    clients: ['updog', 'tidegate'],
    find: ({ metas }) =>
      metas.flatMap(({ where, name, raw }) => {
        const absent = ['length', 'hashes'].filter((field) => !Object.hasOwn(raw, field));
        return absent.length === 0 ? [] : [{ where, what: `${name}: no ${absent.join(', no ')}` }];
      }),
  },
  {
    name: 'meta-content',
    severity: 'error',
    reason: 'every client refuses metadata that is not what the snapshot or timestamp names',
    clients: CLIENTS,
    find: ({ metas }) => metas.flatMap(contradictions),
  },
  {
    name: 'snapshot-count',
    severity: 'error',
    reason: `tuf-js takes quadratic time: at most ${MAX_SNAPSHOT_ENTRIES} roles`,
    clients: ['tuf-js', 'tidegate'],
    find: ({ repository }) => {
      const count = Object.keys(objectOf(objectOf(repository.snapshot?.signed)['meta'])).length;
      return count > MAX_SNAPSHOT_ENTRIES ? [{ where: 'snapshot', what: `${count} roles` }] : [];
    },
  },
  {
    name: 'file-size',
    severity: 'error',
    reason: `clients read at most ${Object.entries(MAX_LENGTHS)
      .map(([role, length]) => `${length} bytes of ${role}`)
      .join(', ')}`,
    clients: ['tough', 'updog', 'tuf-js', 'tidegate'],
    find: ({ documents }) =>
      documents
        .filter(({ file }) => (file.bytes?.length ?? 0) > limitOf(file.role))
        .map(({ where, file }) => ({ where, what: `${file.bytes?.length} bytes` })),
  },
  {
    name: 'root-chain',
    severity: 'error',
    reason: 'a client takes version N + 1 from (N + 1).root.json, and no other',
    clients: CLIENTS,
    find: ({ roots }) =>
      roots.flatMap(({ where, file, signed }, index) => {
        const before = roots[index - 1]?.signed['version'];
        const expected = typeof before === 'number' ? before + 1 : versionIn(file.name);
        const version = signed['version'];
        return expected === null || file.signed === undefined || version === expected
          ? []
          : [{ where, what: `must have version ${expected}, has ${show(version)}` }];
      }),
  },
  {
    name: 'root-count',
    severity: 'error',
    reason: `tuf-js follows at most ${MAX_ROOT_ROTATIONS} new roots, so that older hosts need a newer trust anchor`,
    clients: ['tuf-js', 'tidegate'],
    find: ({ roots }) =>
      roots.length > MAX_ROOT_ROTATIONS + 1
        ? [{ where: 'root', what: `${roots.length} roots in a row` }]
        : [],
  },
  {
    name: 'expired',
    severity: 'warning',
    reason: 'every client refuses expired metadata; tough alone does not look at delegated roles',
    clients: CLIENTS,
    find: (facts) => inForce(facts, (expires, { now }) => isExpired({ expires }, now)),
  },
  {
    name: 'expires-soon',
    severity: 'warning',
    reason: 'sign it again before hosts refuse it',
    clients: [] satisfies Client[],
    find: (facts) =>
      inForce(facts, (expires, { now, horizonMs }) => {
        const horizon = new Date(now.getTime() + horizonMs);
        return !isExpired({ expires }, now) && isExpired({ expires }, horizon);
      }),
  },
];

function contradictions({ where, name, raw, file }: Meta): readonly Place[] {
  if (file === null || file.bytes === null) return [];
  const content = contentOf(file.bytes);
  const sha256 = objectOf(raw['hashes'])['sha256'];
  const version = objectOf(file.signed)['version'];
  const differences = [
    ...differ('version', raw['version'], file.signed === undefined ? undefined : version),
    ...differ('length', raw['length'], content.length),
    ...differ('SHA-256', sha256, content.hashes.sha256),
  ];
  return differences.map((what) => ({ where, what: `${name}: ${what}` }));
}

/** What one of the two does not say is no contradiction, nor is what is no value at all. */
function differ(what: string, named: unknown, got: unknown): readonly string[] {
  const isComparable = typeof named === typeof got && named !== undefined;
  return isComparable && named !== got ? [`${what} ${show(named)}, is ${show(got)}`] : [];
}

function limitOf(role: string): number {
  return role === 'root' || role === 'timestamp' || role === 'snapshot'
    ? MAX_LENGTHS[role]
    : MAX_LENGTHS.targets;
}

function versionIn(name: string): number | null {
  const [, digits] = /^(\d{1,15})\.root\.json$/.exec(name) ?? [];
  return digits === undefined ? null : Number(digits);
}

/** Old roots may have expired: clients ask this of the last one only (TUF 5.3.10). */
function inForce(
  { documents, roots, clock }: Facts,
  isFound: (expires: string, clock: NonNullable<Facts['clock']>) => boolean,
): readonly Place[] {
  if (clock === null) return [];
  const isOld = (document: Document) => roots.includes(document) && document !== roots.at(-1);
  return documents.flatMap((document) => {
    const { expires } = document.signed;
    if (typeof expires !== 'string' || isOld(document) || !isFound(expires, clock)) return [];
    return [{ where: document.where, what: expires }];
  });
}
