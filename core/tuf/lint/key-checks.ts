import { createHash } from 'node:crypto';
import { canonicalBytes } from '../canonical.ts';
import { keyOf } from '../keys.ts';
import type { LintCheck, Place } from './check.ts';
import type { Facts, Ring } from './facts.ts';
import { objectOf, show } from './raw.ts';
import type { JsonObject } from './raw.ts';
import { isReachable, readPublicKey } from './signatures.ts';

const SCHEMES: Readonly<Record<string, string>> = {
  ed25519: 'ed25519',
  'ecdsa-sha2-nistp256': 'ecdsa-sha2-nistp256',
  rsa: 'rsassa-pss-sha256',
};

/** The keys of every root and of every role that delegates, and who asks for how many of them. */
export const KEY_CHECKS: readonly LintCheck[] = [
  {
    name: 'key-kinds',
    severity: 'error',
    reason:
      'keys are ed25519, ecdsa-sha2-nistp256 or rsa with rsassa-pss-sha256: updog of 2024 refuses keytype ecdsa, tough P-384 and longer digests',
    clients: ['tough', 'updog', 'tidegate'],
    find: inKeys((key) =>
      own(SCHEMES, show(key['keytype'])) === key['scheme']
        ? null
        : `keytype ${show(key['keytype'])} with scheme ${show(key['scheme'])}`,
    ),
  },
  {
    name: 'key-material',
    severity: 'error',
    reason: 'a public key that is none, not of its keytype, or RSA outside 2048 to 8192 bits',
    clients: ['tough', 'updog', 'tidegate'],
    find: inKeys((key) => {
      // A kind that is not of the profile is found elsewhere.
      if (own(SCHEMES, show(key['keytype'])) !== key['scheme']) return null;
      return canonicalForm(key) === null ? show(objectOf(key['keyval'])['public']) : null;
    }),
  },
  {
    name: 'key-encoding',
    severity: 'error',
    reason:
      'ed25519 keys are lower-case hex, P-256 and RSA keys SubjectPublicKeyInfo in PEM with its last line break; with a second form one key has a second id',
    clients: ['tuf-js', 'tidegate'],
    find: inKeys((key) => {
      if (own(SCHEMES, show(key['keytype'])) !== key['scheme']) return null;
      const form = canonicalForm(key);
      const written = objectOf(key['keyval'])['public'];
      return form === null || form === written ? null : show(written);
    }),
  },
  {
    name: 'key-fields',
    severity: 'error',
    reason: 'tuftool and updog refuse keys with fields of their own, or compute another key id',
    clients: ['tough', 'updog', 'tidegate'],
    find: inKeys((key) => {
      const extra = [
        ...Object.keys(key).filter((name) => !['keytype', 'scheme', 'keyval'].includes(name)),
        ...Object.keys(objectOf(key['keyval'])).filter((name) => name !== 'public'),
      ];
      return extra.length === 0 ? null : extra.join(', ');
    }),
  },
  {
    name: 'key-ids',
    severity: 'error',
    reason: 'tough refuses a key whose id is not the SHA-256 of its canonical JSON',
    clients: ['tough', 'updog', 'tidegate'],
    find: inKeys((key, id) => {
      const expected = idOf(key);
      return expected === null || expected === id ? null : `should be ${expected}`;
    }),
  },
  {
    name: 'key-once',
    severity: 'error',
    reason:
      'one key under two ids counts twice for a threshold in tuf-js: two signatures, one person',
    clients: ['tuf-js', 'tidegate'],
    find: (facts) => ringsTogether(facts).flatMap(repeatedKeys),
  },
  {
    name: 'key-references',
    severity: 'error',
    reason: 'a role names a key that is not there, or one key twice',
    clients: ['tough', 'updog', 'python-tuf', 'tuf-js', 'tidegate'],
    find: ({ roleKeys }) =>
      roleKeys.flatMap(({ where, role, keyids, ring }) => [
        ...keyids
          .filter((id) => typeof id === 'string' && !Object.hasOwn(ring, id))
          .map((id) => ({ where, what: `${role}: there is no key ${show(id)}` })),
        ...(new Set(keyids).size < keyids.length
          ? [{ where, what: `${role}: a key is named twice` }]
          : []),
      ]),
  },
  {
    name: 'thresholds',
    severity: 'error',
    reason:
      'a threshold is a whole number from 1 to the number of keys; otherwise nobody can sign the role, or anybody',
    clients: ['tough', 'updog', 'python-tuf', 'go-tuf', 'tuf-js', 'tidegate'],
    find: ({ roleKeys }) =>
      roleKeys
        .filter(({ keyids, threshold }) => !isReachable(threshold, new Set(keyids).size))
        .map(({ where, role, keyids, threshold }) => ({
          where,
          what: `${role}: ${show(threshold)} of ${keyids.length}`,
        })),
  },
];

function inKeys(find: (key: JsonObject, id: string) => string | null) {
  return ({ rings }: Facts): readonly Place[] =>
    rings.flatMap(({ where, keys }) =>
      Object.entries(keys).flatMap(([id, key]) => {
        const what = find(objectOf(key), id);
        return what === null ? [] : [{ where, what: `key ${show(id)}: ${what}` }];
      }),
    );
}

/** The public key as the profile writes it; null if it is none of its keytype. */
function canonicalForm(key: JsonObject): string | null {
  const publicKey = readPublicKey(key);
  if (publicKey === null) return null;
  try {
    const { keytype, keyval } = keyOf(publicKey);
    return keytype === key['keytype'] ? keyval.public : null;
  } catch {
    return null;
  }
}

function own(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function idOf(key: JsonObject): string | null {
  try {
    return createHash('sha256').update(canonicalBytes(key)).digest('hex');
  } catch {
    return null;
  }
}

/** Old roots count by themselves; what is in force counts as one, from the root to the last delegation. */
function ringsTogether({ rings, roots }: Facts): readonly Ring[] {
  const old = rings.slice(0, Math.max(0, roots.length - 1));
  const inForce = rings.slice(old.length);
  const where = inForce.find(({ keys }) => Object.keys(keys).length > 0)?.where ?? 'root';
  const keys = Object.fromEntries(inForce.flatMap((ring) => Object.entries(ring.keys)));
  return [...old, { where, keys }];
}

function repeatedKeys({ where, keys }: Ring): readonly Place[] {
  const ids = new Map<string, string[]>();
  for (const [id, key] of Object.entries(keys)) {
    const material = materialOf(objectOf(key));
    ids.set(material, [...(ids.get(material) ?? []), id]);
  }
  return [...ids.values()]
    .filter((same) => same.length > 1)
    .map((same) => ({ where, what: same.map(show).join(' is ') }));
}

/** The numbers of a key, the same for every encoding of it. */
function materialOf(key: JsonObject): string {
  const publicKey = readPublicKey(key);
  if (publicKey === null) return show(objectOf(key['keyval'])['public']);
  const { kty = '', n = '', x = '', y = '' } = publicKey.export({ format: 'jwk' });
  return [kty, n, x, y].join(' ');
}
