import { generateKeyPairSync } from 'node:crypto';
import {
  delegationOf,
  fileOf,
  PREFIX,
  RELEASES,
  ringOf,
  ringOfKey,
  set,
  targetsOf,
} from './broken-repositories.ts';
import type { Breaking, Path } from './broken-repositories.ts';

/** A repository that breaks one rule. `also`: rules that cannot hold where this one does not. */
export type LintFixture = Breaking & {
  readonly check: string;
  readonly case: string;
  readonly also?: readonly string[];
};

const FILE = `${PREFIX}1.0.0-root`;
const HASH_PREFIXES = '0123456789abcdef'.split('');
const ROLE: Path = ['delegations', 'roles', 1];

/** The same change of one role's metadata, as a breaking. */
function put(role: string, path: Path, next: unknown): Breaking {
  return { signed: { [role]: (signed) => set(signed, path, next) } };
}

function withFile(name: string, file: unknown = fileOf('x')): Breaking {
  return put(RELEASES, ['targets', name], file);
}

function withPaths(...paths: readonly unknown[]): Breaking {
  return put('targets', [...ROLE, 'paths'], paths);
}

function withRole(name: string, paths: readonly string[]): Breaking {
  return {
    added: { [name]: targetsOf() },
    signed: {
      targets: (signed, { release }) =>
        set(signed, ['delegations', 'roles'], (roles: readonly unknown[]) => [
          ...roles,
          delegationOf(name, paths, release),
        ]),
    },
  };
}

function keyWith(path: Path, next: unknown): Breaking {
  return { keys: { release: (key) => set(key, path, next) } };
}

const FORMAT: readonly LintFixture[] = [
  {
    check: 'json',
    case: 'a key that stands twice',
    text: { timestamp: (text) => text.replace('{', '{"signatures":[],') },
  },
  { check: 'json', case: 'a byte order mark', text: { timestamp: (text) => `\uFEFF${text}` } },
  { check: 'json', case: 'half a file', text: { timestamp: (text) => text.slice(0, 100) } },
  { check: 'form', case: 'another type of metadata', ...put('rollouts', ['_type'], 'snapshot') },
  { check: 'form', case: 'a list as custom', ...put(RELEASES, ['targets', FILE, 'custom'], [1]) },
  {
    check: 'form',
    case: 'a target without length',
    ...put(RELEASES, ['targets', FILE, 'length'], undefined),
  },
  {
    check: 'form',
    case: 'terminating left out',
    ...put('targets', [...ROLE, 'terminating'], undefined),
  },
  {
    check: 'form',
    case: 'consistent_snapshot left out',
    ...put('root', ['consistent_snapshot'], undefined),
  },
  {
    check: 'whole-numbers',
    case: 'a fraction',
    ...put(RELEASES, ['targets', FILE, 'custom'], { size: 1.5 }),
  },
  {
    check: 'whole-numbers',
    case: 'above 2^53',
    ...put(RELEASES, ['targets', FILE, 'custom'], { ns: 2 ** 60 }),
  },
  {
    check: 'whole-numbers',
    case: 'a whole number written as a fraction',
    text: { [RELEASES]: (text) => text.replace('"length":4', '"length":4.0') },
  },
  { check: 'versions', case: 'nought', ...put('rollouts', ['version'], 0) },
  { check: 'versions', case: 'a fraction', ...put('rollouts', ['version'], 1.5) },
  { check: 'versions', case: 'above 2^53', ...put('timestamp', ['version'], 2 ** 54) },
  {
    check: 'versions',
    case: 'text',
    ...put('snapshot', ['version'], '1'),
  },
  {
    check: 'normal-text',
    case: 'a letter and its accent apart',
    ...put(RELEASES, ['targets', FILE, 'custom'], { note: 'e\u0301' }),
  },
  {
    check: 'key-order',
    case: 'a key above U+FFFF',
    ...put(RELEASES, ['targets', FILE, 'custom'], { '\u{1F30A}': 1 }),
  },
  { check: 'spec-version', case: '1.0.31', ...put('snapshot', ['spec_version'], '1.0.31') },
  { check: 'spec-version', case: '2.0.0', ...put('1.root', ['spec_version'], '2.0.0') },
  ...[
    '2041-01-01T00:00:00.000Z',
    '2041-01-01T00:00:00.450414Z',
    '2041-01-01T00:00:00+00:00',
    '2041-02-30T00:00:00Z',
    'soon',
  ].map((expires): LintFixture => ({
    check: 'whole-second-expiry',
    case: expires,
    ...put('rollouts', ['expires'], expires),
  })),
  { check: 'consistent-snapshots', case: 'off', ...put('root', ['consistent_snapshot'], false) },
  {
    check: 'four-roles',
    case: 'mirrors',
    ...put('root', ['roles'], (roles: { readonly targets: unknown }) => ({
      ...roles,
      mirrors: roles.targets,
    })),
  },
];

const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;

const KEYS: readonly LintFixture[] = [
  { check: 'key-kinds', case: 'keytype ecdsa', ...keyWith(['keytype'], 'ecdsa') },
  { check: 'key-kinds', case: 'P-384', privateKeys: { release: p384 } },
  {
    check: 'key-kinds',
    case: 'an older RSA scheme',
    keys: { root3: (key) => set(key, ['scheme'], 'rsa-pkcs1v15-sha256') },
  },
  {
    check: 'key-encoding',
    case: 'PEM with other line breaks',
    ...keyWith(['keyval', 'public'], (pem: string) => pem.replaceAll('\n', '\r\n')),
  },
  {
    check: 'key-encoding',
    case: 'PEM without its last line break',
    ...keyWith(['keyval', 'public'], (pem: string) => pem.trimEnd()),
  },
  {
    check: 'key-encoding',
    case: 'hex in upper case',
    keys: { online: (key) => set(key, ['keyval', 'public'], (hex: string) => hex.toUpperCase()) },
  },
  { check: 'key-material', case: 'no key at all', ...keyWith(['keyval', 'public'], 'abc') },
  { check: 'key-material', case: 'RSA of 1024 bits', privateKeys: { root3: small } },
  {
    check: 'key-fields',
    case: 'keyid_hash_algorithms',
    ...keyWith(['keyid_hash_algorithms'], ['sha256']),
  },
  { check: 'key-fields', case: 'beside the public key', ...keyWith(['keyval', 'private'], '') },
  { check: 'key-ids', case: 'a name', ids: { release: 'release-key-of-2040' } },
  { check: 'key-ids', case: 'another hash', ids: { root1: 'ab'.repeat(32) } },
  {
    check: 'key-once',
    case: 'in the root, under an invented id',
    // There is one proper id for a key, so that the second one breaks a rule too.
    also: ['key-ids'],
    signed: {
      root: (signed, { root1 }) => set(signed, ['keys', 'cd'.repeat(32)], root1.key),
    },
  },
  {
    check: 'key-once',
    case: 'in another encoding, which makes another id',
    also: ['key-encoding'],
    signed: {
      targets: (signed, { release }) => {
        const key = set(release.key, ['keyval', 'public'], (pem: string) => pem.trimEnd());
        return set(signed, ['delegations', 'keys'], (keys: object) => ({
          ...keys,
          ...ringOfKey(key),
        }));
      },
    },
  },
  {
    check: 'key-once',
    case: 'in the root and in the delegations, under two ids',
    also: ['key-ids'],
    signed: {
      targets: (signed, { root2 }) =>
        set(signed, ['delegations', 'keys', 'ef'.repeat(32)], root2.key),
    },
  },
  {
    check: 'key-references',
    case: 'a key that is not there',
    ...put('targets', [...ROLE, 'keyids'], (ids: readonly string[]) => [...ids, '0'.repeat(64)]),
  },
  {
    check: 'key-references',
    case: 'a key named twice',
    ...put('targets', [...ROLE, 'keyids'], (ids: readonly string[]) => [...ids, ...ids]),
  },
  { check: 'thresholds', case: 'nought', ...put('targets', [...ROLE, 'threshold'], 0) },
  {
    check: 'thresholds',
    case: 'more than there are keys',
    ...put('targets', [...ROLE, 'threshold'], 2),
  },
  { check: 'thresholds', case: 'a fraction', ...put('root', ['roles', 'root', 'threshold'], 1.5) },
];

const SIGNATURES: readonly LintFixture[] = [
  { check: 'signatures', case: 'none', signatures: { rollouts: () => [] } },
  {
    check: 'signatures',
    case: 'fewer than the threshold',
    signatures: { '2.root': ([first]) => [first] },
  },
  {
    check: 'signatures',
    case: 'of other bytes',
    signatures: { timestamp: (_, signAs) => [signAs('online', 'other-bytes')] },
  },
  {
    check: 'signatures',
    case: 'a new root that the old one does not know',
    signed: {
      '2.root': (signed, { targets, online }) => {
        const keyids = [targets.id, online.id];
        return set(signed, ['roles', 'root'], { keyids, threshold: 2 });
      },
    },
    signatures: { '2.root': (_, signAs) => [signAs('targets'), signAs('online')] },
  },
  {
    check: 'pss-salt',
    case: 'the longest salt',
    signatures: { '2.root': ([a, b], signAs) => [a, b, signAs('root3', 'long-salt')] },
  },
  {
    check: 'ecdsa-der',
    case: 'two bare numbers',
    signatures: { [RELEASES]: (_, signAs) => [signAs('release', 'p1363')] },
  },
  {
    check: 'signature-hex',
    case: 'upper case',
    signatures: { rollouts: (_, signAs) => [signAs('online', 'upper-case')] },
  },
  {
    check: 'signature-ids',
    case: 'one key id twice',
    signatures: { rollouts: ([first]) => [first, first] },
  },
  {
    check: 'broken-signatures',
    case: 'one of three',
    signatures: { '2.root': ([a, , c], signAs) => [a, signAs('root2', 'other-bytes'), c] },
  },
  {
    check: 'strange-signatures',
    case: 'of another role',
    signatures: { snapshot: ([first], signAs) => [first, signAs('targets')] },
  },
];

const DELEGATIONS: readonly LintFixture[] = [
  {
    check: 'delegation-fields',
    case: 'in delegations',
    ...put('targets', ['delegations', 'x-note'], 'hello'),
  },
  {
    check: 'delegation-fields',
    case: 'in a role',
    ...put('targets', [...ROLE, 'x-online-uri'], 'kms'),
  },
  {
    check: 'succinct-roles',
    case: 'hash bins',
    signed: {
      targets: (signed, { release }) =>
        set(signed, ['delegations'], {
          keys: ringOf(release),
          succinct_roles: { keyids: [release.id], threshold: 1, bit_length: 4, name_prefix: 'bin' },
        }),
    },
  },
  {
    check: 'hash-prefixes',
    case: 'instead of paths',
    ...put('targets', ROLE, (role: unknown) =>
      set(set(role, ['paths'], undefined), ['path_hash_prefixes'], HASH_PREFIXES),
    ),
  },
  { check: 'path-set', case: 'no path', ...withPaths() },
  { check: 'path-set', case: 'paths left out', ...put('targets', [...ROLE, 'paths'], undefined) },
  { check: 'path-set', case: 'a number as path', ...withPaths(`${PREFIX}*`, 1) },
  {
    check: 'path-set',
    case: 'paths and prefixes',
    ...put('targets', [...ROLE, 'path_hash_prefixes'], HASH_PREFIXES),
  },
  ...[
    'releases/*',
    '**/*',
    'a/b',
    '{a,b}.img',
    '!a.img',
    '#x',
    '@(a|b).img',
    '[ab].img',
    '[!a].img',
    'a?.img',
    '*.img',
    '.hidden*',
    'a*b*',
    'ä*',
  ].map((path): LintFixture => ({ check: 'path-patterns', case: path, ...withPaths(path) })),
  // The manifest is a name that such a role would have too.
  { check: 'path-patterns', case: '*', ...withPaths('*'), also: ['one-owner'] },
  { check: 'terminating', case: 'false', ...put('targets', [...ROLE, 'terminating'], false) },
  ...['Releases', '10', '-a', 'with space', 'a/b', 'timestamp2?', 'ä'].map((name): LintFixture => ({
    check: 'role-names',
    case: name,
    ...withRole(name, ['other.json']),
  })),
  {
    check: 'role-once',
    case: 'the same delegation again',
    ...put('targets', ['delegations', 'roles'], (roles: readonly unknown[]) => [
      ...roles,
      roles[0],
    ]),
  },
  {
    check: 'one-owner',
    case: 'a variant below another',
    ...withRole(`releases-${PREFIX}x-aarch64`, [`${PREFIX}x-aarch64-*`]),
  },
  { check: 'delegated-names', case: 'a part of the variant', ...withPaths(`${PREFIX}1*`) },
  {
    check: 'delegated-names',
    case: 'more than the variant',
    ...withPaths(`${PREFIX}*`, 'notes.txt'),
  },
  {
    check: 'delegated-names',
    case: 'a role that hosts do not know',
    ...withRole('notes', ['notes.txt']),
  },
  {
    check: 'own-names',
    case: 'a target of another variant',
    ...withFile('metal-x86_64-1.0.0-root'),
  },
  {
    check: 'delegations-only',
    case: 'a file in the top-level targets',
    ...put('targets', ['targets', 'notes.txt'], fileOf('x')),
  },
  {
    check: 'one-level',
    case: 'a role below a delegated role',
    added: { deeper: targetsOf() },
    signed: {
      [RELEASES]: (signed, { release }) =>
        set(signed, ['delegations'], {
          keys: ringOf(release),
          roles: [delegationOf('deeper', [`${PREFIX}9*`], release)],
        }),
    },
  },
  {
    check: 'no-dangling-role',
    case: 'not in the snapshot',
    ...put('snapshot', ['meta', 'rollouts.json'], undefined),
  },
];

const long = 'x'.repeat(200);

const TARGETS: readonly LintFixture[] = [
  { check: 'flat-target-names', case: 'a folder', ...withFile(`${PREFIX}1.1.0/root`) },
  { check: 'hidden-target-names', case: 'a leading dot', ...withFile('.root') },
  ...[
    `${PREFIX}1.0.0+build-root`,
    `${PREFIX}1.0.0?root`,
    `${PREFIX}1 0`,
    `${PREFIX}é`,
    `${PREFIX}${long}`,
    '',
  ].map((name): LintFixture => ({ check: 'target-names', case: name, ...withFile(name) })),
  {
    check: 'sha256',
    case: 'sha512 alone',
    ...put(RELEASES, ['targets', FILE, 'hashes'], { sha512: 'ab'.repeat(64) }),
  },
  {
    check: 'sha256',
    case: 'upper case',
    ...put(RELEASES, ['targets', FILE, 'hashes'], { sha256: 'AB'.repeat(32) }),
  },
  {
    check: 'sha256',
    case: 'none in the snapshot',
    ...put('snapshot', ['meta', 'rollouts.json', 'hashes'], {}),
  },
  {
    check: 'sha256-only',
    case: 'sha512 as well',
    ...put(RELEASES, ['targets', FILE, 'hashes', 'sha512'], 'ab'.repeat(64)),
  },
  { check: 'empty-custom', case: '{}', ...put(RELEASES, ['targets', FILE, 'custom'], {}) },
  {
    check: 'target-count',
    case: '501',
    ...put(RELEASES, ['targets'], () =>
      Object.fromEntries(
        Array.from({ length: 501 }, (_, index) => [`${PREFIX}1.0.${index}-root`, fileOf('x')]),
      ),
    ),
  },
];

const META: Path = ['meta', 'rollouts.json'];

const FILES: readonly LintFixture[] = [
  {
    check: 'missing-files',
    case: 'a delegated role',
    objects: (objects) => objects.delete('metadata/1.rollouts.json'),
  },
  {
    check: 'missing-files',
    case: 'the snapshot',
    objects: (objects) => objects.delete('metadata/1.snapshot.json'),
  },
  {
    check: 'missing-files',
    case: 'the timestamp',
    objects: (objects) => objects.delete('metadata/timestamp.json'),
  },
  {
    check: 'meta-names',
    case: 'more than the snapshot in the timestamp',
    ...put('timestamp', ['meta'], (meta: { readonly 'snapshot.json': unknown }) => ({
      ...meta,
      'root.json': meta['snapshot.json'],
    })),
  },
  {
    check: 'meta-names',
    case: 'a file that does not end in .json',
    ...put('snapshot', ['meta'], (meta: { readonly 'rollouts.json': unknown }) => ({
      ...meta,
      other: meta['rollouts.json'],
    })),
  },
  { check: 'meta-names', case: 'no snapshot in the timestamp', ...put('timestamp', ['meta'], {}) },
  {
    check: 'meta-length',
    case: 'no length in the snapshot',
    ...put('snapshot', [...META, 'length'], undefined),
  },
  {
    check: 'meta-length',
    case: 'no hashes in the timestamp',
    ...put('timestamp', ['meta', 'snapshot.json', 'hashes'], undefined),
  },
  {
    check: 'meta-content',
    case: 'another length',
    ...put('snapshot', [...META, 'length'], (length: number) => length + 1),
  },
  {
    check: 'meta-content',
    case: 'another hash',
    ...put('timestamp', ['meta', 'snapshot.json', 'hashes', 'sha256'], 'ab'.repeat(32)),
  },
  {
    check: 'meta-content',
    case: 'another version under this name',
    ...put('snapshot', [...META, 'version'], 2),
    objects: (objects) => {
      objects.set(
        'metadata/2.rollouts.json',
        objects.get('metadata/1.rollouts.json') ?? Buffer.of(),
      );
    },
  },
  {
    check: 'snapshot-count',
    case: '257',
    ...put('snapshot', ['meta'], (meta: { readonly 'rollouts.json': unknown }) => ({
      ...meta,
      ...Object.fromEntries(
        Array.from({ length: 254 }, (_, index) => [`r${index}.json`, meta['rollouts.json']]),
      ),
    })),
  },
  {
    check: 'file-size',
    case: 'a large timestamp',
    ...put('timestamp', ['x-note'], 'x'.repeat(16_384)),
  },
  { check: 'file-size', case: 'a large root', ...put('2.root', ['x-note'], 'x'.repeat(512_000)) },
  { check: 'root-chain', case: 'a version left out', ...put('2.root', ['version'], 3) },
  { check: 'root-chain', case: 'the same version again', ...put('2.root', ['version'], 1) },
  { check: 'root-count', case: '258 roots', roots: 258 },
  {
    check: 'expired',
    case: 'a delegated role',
    ...put('rollouts', ['expires'], '2040-01-01T00:00:00Z'),
  },
  {
    check: 'expired',
    case: 'the last root',
    ...put('2.root', ['expires'], '2039-01-01T00:00:00Z'),
  },
  {
    check: 'expires-soon',
    case: 'the timestamp',
    ...put('timestamp', ['expires'], '2040-01-03T00:00:00Z'),
  },
];

/** One repository for each way to break each rule. */
export const LINT_FIXTURES: readonly LintFixture[] = [
  ...FORMAT,
  ...KEYS,
  ...SIGNATURES,
  ...DELEGATIONS,
  ...TARGETS,
  ...FILES,
];
