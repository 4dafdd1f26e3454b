import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  isSignedBy,
  keyId,
  keyMaterial,
  keyOf,
  keySchema,
  readableKeySchema,
} from '../../../core/tuf/keys.ts';
import type { Key } from '../../../core/tuf/keys.ts';

const ed25519 = generateKeyPairSync('ed25519');
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const message = new TextEncoder().encode('message');

const PAIRS = [
  {
    type: 'ed25519',
    key: keyOf(ed25519.publicKey),
    make: () => sign(null, message, ed25519.privateKey),
  },
  {
    type: 'ecdsa-p256',
    key: keyOf(p256.publicKey),
    make: () => sign('sha256', message, p256.privateKey),
  },
  { type: 'rsa', key: keyOf(rsa.publicKey), make: () => signPss(32) },
];

function signPss(saltLength: number): Buffer {
  return sign('sha256', message, { key: rsa.privateKey, padding: 6, saltLength });
}

describe('keyId', () => {
  it('is the SHA-256 of the canonical JSON of the key, in whatever order its fields stand', () => {
    // printf '{"keytype":"ed25519","keyval":{"public":"d75a…"},"scheme":"ed25519"}' | sha256sum
    const key: Key = {
      scheme: 'ed25519',
      keyval: { public: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a' },
      keytype: 'ed25519',
    };
    expect(keyId(key)).toBe('74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916');
  });
});

describe('keyOf', () => {
  it.each(PAIRS)('makes a key of the profile from $type', ({ key }) => {
    expect(keySchema.parse(key)).toEqual(key);
  });

  it.each([
    ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey],
    ['ed448', generateKeyPairSync('ed448').publicKey],
    ['RSA of 1024 bits', generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey],
    ['an RSA key bound to PSS', generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey],
  ])('refuses %s', (_, publicKey) => {
    expect(() => keyOf(publicKey)).toThrow(expect.objectContaining({ code: 'tuf/key' }));
  });

  it('gives a key with a compressed point the same id', () => {
    const { x = '', y = '' } = p256.publicKey.export({ format: 'jwk' });
    const isOdd = (Buffer.from(y, 'base64url').at(-1) ?? 0) % 2 === 1;
    const der = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      Buffer.from(isOdd ? '03' : '02', 'hex'),
      Buffer.from(x, 'base64url'),
    ]);
    const compressed = createPublicKey({ key: der, format: 'der', type: 'spki' });
    expect(keyId(keyOf(compressed))).toBe(keyId(keyOf(p256.publicKey)));
  });
});

describe('keySchema', () => {
  const key = keyOf(ed25519.publicKey);
  const rsaPem = keyOf(rsa.publicKey).keyval.public;

  it.each([
    ['an extra field', { ...key, keyid_hash_algorithms: ['sha256'] }],
    ['an extra field beside the public key', { ...key, keyval: { ...key.keyval, private: '' } }],
    ['keytype ecdsa, which updog refuses', { ...PAIRS[1]?.key, keytype: 'ecdsa' }],
    ['a scheme of another type', { ...key, scheme: 'rsassa-pss-sha256' }],
    ['upper-case hex', { ...key, keyval: { public: key.keyval.public.toUpperCase() } }],
    ['31 bytes', { ...key, keyval: { public: key.keyval.public.slice(2) } }],
    ['33 bytes', { ...key, keyval: { public: `${key.keyval.public}00` } }],
    ['an RSA key under another name', { ...PAIRS[1]?.key, keyval: { public: rsaPem } }],
    ['PEM without its last line break', { ...PAIRS[2]?.key, keyval: { public: rsaPem.trim() } }],
    ['text that is no key', { ...PAIRS[2]?.key, keyval: { public: 'PEM' } }],
    ['null', null],
  ])('refuses %s', (_, value) => {
    expect(keySchema.safeParse(value).success).toBe(false);
  });
});

describe('readableKeySchema', () => {
  const foreign = (key: Key): Key => {
    if (key.keytype === 'ed25519') return key;
    const keyval = { public: key.keyval.public.trimEnd() };
    return key.keytype === 'rsa' ? { ...key, keyval } : { ...key, keytype: 'ecdsa', keyval };
  };

  it.each(PAIRS)(
    'reads a key of $type as tuftool writes it, and knows it again',
    ({ key, make }) => {
      const read = readableKeySchema.parse(foreign(key));
      expect(isSignedBy(read, message, make().toString('hex'))).toBe(true);
      expect(keyMaterial(read)).toBe(keyMaterial(key));
      expect(readableKeySchema.parse(key)).toEqual(key);
    },
  );

  const pem = keyOf(p256.publicKey).keyval.public;
  it.each([
    ['an extra field', { ...PAIRS[1]?.key, keyid_hash_algorithms: ['sha256'] }],
    ['two line breaks at the end', { ...PAIRS[1]?.key, keyval: { public: `${pem}\n` } }],
    ['other line breaks', { ...PAIRS[1]?.key, keyval: { public: pem.replaceAll('\n', '\r\n') } }],
    ['an RSA key as ecdsa', { ...PAIRS[2]?.key, keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256' }],
  ])('refuses %s', (_, value) => {
    expect(readableKeySchema.safeParse(value).success).toBe(false);
  });
});

describe('isSignedBy', () => {
  it.each(PAIRS)('accepts a signature of $type', ({ key, make }) => {
    expect(isSignedBy(key, message, make().toString('hex'))).toBe(true);
  });

  it.each(PAIRS)('refuses a signature of $type with any one bit flipped', ({ key, make }) => {
    const signature = make();
    fc.assert(
      fc.property(fc.nat(signature.length * 8 - 1), (bit) => {
        const flipped = Buffer.from(signature);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        return !isSignedBy(key, message, flipped.toString('hex'));
      }),
      { seed: 1, numRuns: 50 },
    );
  });

  it.each(PAIRS)('refuses the signature of $type on other bytes', ({ key, make }) => {
    expect(isSignedBy(key, new TextEncoder().encode('messagf'), make().toString('hex'))).toBe(
      false,
    );
  });

  it.each(PAIRS)('refuses what is no hex signature of $type', ({ key, make }) => {
    const hex = make().toString('hex');
    const malformed = ['', '0', hex.slice(1), hex.toUpperCase().replace(/\d/g, 'A'), `${hex}zz`];
    expect(malformed.map((text) => isSignedBy(key, message, text))).toEqual(
      malformed.map(() => false),
    );
  });

  it('refuses an RSA signature with the longest salt, which tough refuses', () => {
    expect(isSignedBy(keyOf(rsa.publicKey), message, signPss(222).toString('hex'))).toBe(false);
  });
});
