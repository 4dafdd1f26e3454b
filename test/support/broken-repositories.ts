import { constants, createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isObjectName } from '../../adapters/storage/names.ts';
import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { keyOf } from '../../core/tuf/keys.ts';
import type { ExampleKey } from './example-keys.ts';

export type Json = Readonly<Record<string, unknown>>;
export type Path = readonly (string | number)[];
export type RawSignature = { readonly keyid: string; readonly sig: string };
type Holder = { readonly id: string; readonly key: unknown; readonly privateKey: KeyObject };
type SignAs = (name: ExampleKey, how?: SignatureForm) => RawSignature;

export type SignatureForm = 'proper' | 'long-salt' | 'p1363' | 'upper-case' | 'other-bytes';

/** What is done to a good repository before, while and after it is signed. Roles: `1.root`, `2.root`, `targets`, … */
export type Breaking = {
  readonly privateKeys?: Partial<Readonly<Record<ExampleKey, KeyObject>>>;
  readonly keys?: Partial<Readonly<Record<ExampleKey, (key: unknown) => unknown>>>;
  readonly ids?: Partial<Readonly<Record<ExampleKey, string>>>;
  readonly roots?: number;
  /** For snapshot and timestamp after they name what is below them; given the keys by name. */
  readonly signed?: Readonly<Record<string, (signed: unknown, holders: Holders) => unknown>>;
  /** More delegated roles, signed by the release key. */
  readonly added?: Readonly<Record<string, unknown>>;
  readonly signatures?: Readonly<
    Record<string, (signatures: readonly RawSignature[], signAs: SignAs) => unknown>
  >;
  readonly text?: Readonly<Record<string, (text: string) => string>>;
  readonly objects?: (objects: Map<string, Uint8Array>) => void;
};

export type Holders = Readonly<Record<ExampleKey, Holder>>;

/** The moment at which these repositories are looked at. */
export const NOW = new Date('2040-01-01T00:00:00Z');
export const RELEASES = 'releases-aws-k8s-1.32-x86_64';
export const PREFIX = 'aws-k8s-1.32-x86_64-';

const NAMES = ['root1', 'root2', 'root3', 'targets', 'online', 'release'] as const;
const COMMON = { spec_version: '1.0.0', version: 1, expires: '2041-01-01T00:00:00Z' };

export function fileOf(text: string): Json {
  return { length: text.length, hashes: { sha256: sha256(Buffer.from(text)) } };
}

export function targetsOf(targets: Json = {}): Json {
  return { _type: 'targets', ...COMMON, targets };
}

/** The objects of a repository with two roots, the rollouts role and one variant: good, except for what is broken. */
export function repositoryObjects(breaking: Breaking = {}): Map<string, Uint8Array> {
  const holders = holdersOf(breaking);
  const objects = new Map<string, Uint8Array>();
  const changed = (role: string, signed: unknown) =>
    breaking.signed?.[role]?.(signed, holders) ?? signed;

  function write(file: string, role: string, signed: unknown, signers: readonly ExampleKey[]) {
    const signAs: SignAs = (name, how = 'proper') => signature(holders[name], signed, how);
    const good = signers.map((name) => signAs(name));
    const signatures = breaking.signatures?.[role]?.(good, signAs) ?? good;
    const text = JSON.stringify({ signatures, signed });
    const bytes = Buffer.from(breaking.text?.[role]?.(text) ?? text);
    // A name that no storage can hold is a file that nobody can ask for.
    if (isObjectName(file)) objects.set(`metadata/${file}`, bytes);
    const { version } = Object(signed);
    return { version, length: bytes.length, hashes: { sha256: sha256(bytes) } };
  }

  let isVersioned = true;
  for (let version = 1; version <= (breaking.roots ?? 2); version += 1) {
    const role = `${version}.root`;
    const root = changed(role, changed('root', rootOf(holders, version)));
    isVersioned = Object(root).consistent_snapshot !== false;
    write(`${role}.json`, role, root, ['root1', 'root2', 'root3']);
  }

  const nameOf = (role: string, signed: unknown) =>
    isVersioned ? `${Object(signed).version}.${role}.json` : `${role}.json`;
  const roles: readonly (readonly [string, unknown, ExampleKey])[] = [
    ['targets', delegatingTargets(holders), 'targets'],
    ['rollouts', targetsOf({ 'manifest.json': fileOf('{}') }), 'online'],
    [
      RELEASES,
      targetsOf({
        [`${PREFIX}1.0.0-root`]: fileOf('root'),
        [`${PREFIX}1.0.0-release.json`]: { ...fileOf('document'), custom: { kind: 'document' } },
      }),
      'release',
    ],
    ...Object.entries(breaking.added ?? {}).map(
      ([role, signed]) => [role, signed, 'release'] as const,
    ),
  ];
  const meta = Object.fromEntries(
    roles.map(([role, signed, signer]) => {
      const content = changed(role, signed);
      return [`${role}.json`, write(nameOf(role, content), role, content, [signer])];
    }),
  );
  const snapshot = changed('snapshot', { _type: 'snapshot', ...COMMON, meta });
  const named = write(nameOf('snapshot', snapshot), 'snapshot', snapshot, ['online']);
  const timestamp = { _type: 'timestamp', ...COMMON, meta: { 'snapshot.json': named } };
  write('timestamp.json', 'timestamp', changed('timestamp', timestamp), ['online']);
  for (const text of ['{}', 'root', 'document']) {
    const name = { '{}': 'manifest.json', root: `${PREFIX}1.0.0-root` }[text];
    const bytes = Buffer.from(text);
    objects.set(`targets/${sha256(bytes)}.${name ?? `${PREFIX}1.0.0-release.json`}`, bytes);
  }
  breaking.objects?.(objects);
  return objects;
}

/** A copy with another value at the path; a function is given the old one. Undefined takes the field away. */
export function set(value: unknown, path: Path, next: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return typeof next === 'function' ? next(value) : next;
  if (Array.isArray(value)) {
    return value.map((child: unknown, index) => (index === key ? set(child, rest, next) : child));
  }
  const object: Json = Object(value);
  const child = set(object[key], rest, next);
  const others = Object.entries(object).filter(([name]) => name !== key);
  return Object.fromEntries(child === undefined ? others : [...others, [key, child]]);
}

function holdersOf({ privateKeys, keys, ids }: Breaking): Holders {
  const [root1, root2, root3, targets, online, release] = NAMES.map((name): Holder => {
    const path = new URL(`../../keys-example/${name}.pem`, import.meta.url);
    const privateKey = privateKeys?.[name] ?? createPrivateKey(readFileSync(path, 'utf8'));
    const good = publicKeyOf(privateKey);
    const key = keys?.[name]?.(good) ?? good;
    return { id: ids?.[name] ?? sha256(canonicalBytes(key)), key, privateKey };
  });
  if (!root1 || !root2 || !root3 || !targets || !online || !release) throw new Error('unreachable');
  return { root1, root2, root3, targets, online, release };
}

function publicKeyOf(privateKey: KeyObject): unknown {
  const publicKey = createPublicKey(privateKey);
  try {
    return keyOf(publicKey);
  } catch {
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const isRsa = publicKey.asymmetricKeyType === 'rsa';
    return isRsa
      ? { keytype: 'rsa', scheme: 'rsassa-pss-sha256', keyval: { public: pem } }
      : { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp384', keyval: { public: pem } };
  }
}

function rootOf(holders: Holders, version: number): Json {
  const { root1, root2, root3, targets, online } = holders;
  const role = (threshold: number, ...keys: readonly Holder[]) => ({
    keyids: keys.map(({ id }) => id),
    threshold,
  });
  return {
    _type: 'root',
    ...COMMON,
    version,
    consistent_snapshot: true,
    keys: ringOf(root1, root2, root3, targets, online),
    roles: {
      root: role(2, root1, root2, root3),
      targets: role(1, targets),
      snapshot: role(1, online),
      timestamp: role(1, online),
    },
  };
}

function delegatingTargets({ online, release }: Holders): Json {
  return {
    ...targetsOf(),
    delegations: {
      keys: ringOf(online, release),
      roles: [
        delegationOf('rollouts', ['manifest.json'], online),
        delegationOf(RELEASES, [`${PREFIX}*`], release),
      ],
    },
  };
}

export function delegationOf(name: string, paths: readonly string[], { id }: Holder): Json {
  return { name, keyids: [id], threshold: 1, terminating: true, paths };
}

/** A key under the id that it has in this very encoding. */
export function ringOfKey(key: unknown): Json {
  return { [sha256(canonicalBytes(key))]: key };
}

export function ringOf(...holders: readonly Holder[]): Json {
  return Object.fromEntries(holders.map(({ id, key }) => [id, key]));
}

function signature({ id, privateKey }: Holder, signed: unknown, how: SignatureForm): RawSignature {
  const bytes = how === 'other-bytes' ? Buffer.from('other bytes') : bytesOf(signed);
  const sig = signBytes(privateKey, bytes, how).toString('hex');
  return { keyid: id, sig: how === 'upper-case' ? sig.toUpperCase() : sig };
}

function signBytes(key: KeyObject, bytes: Uint8Array, how: SignatureForm): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return sign(null, bytes, key);
  if (key.asymmetricKeyType === 'rsa') {
    const saltLength =
      how === 'long-salt' ? constants.RSA_PSS_SALTLEN_MAX_SIGN : constants.RSA_PSS_SALTLEN_DIGEST;
    return sign('sha256', bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
  }
  const digest = key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
  return sign(digest, bytes, { key, dsaEncoding: how === 'p1363' ? 'ieee-p1363' : 'der' });
}

/** What canonical JSON cannot say nobody can sign properly; something must stand there all the same. */
function bytesOf(signed: unknown): Uint8Array {
  try {
    return canonicalBytes(signed);
  } catch {
    return Buffer.from(JSON.stringify(signed));
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
