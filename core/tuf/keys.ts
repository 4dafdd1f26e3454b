import { constants, createHash, createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import * as z from 'zod';
import { canonicalBytes } from './canonical.ts';
import { TufError } from './errors.ts';

/** A public key as TUF metadata holds it; these three schemes and no other field are read. */
export type Key =
  | {
      readonly keytype: 'ed25519';
      readonly scheme: 'ed25519';
      /** 32 bytes in lower-case hex. */
      readonly keyval: { readonly public: string };
    }
  | {
      /** `ecdsa` is what tuftool writes. It is read and never written: updog of 2024 refuses it. */
      readonly keytype: 'ecdsa-sha2-nistp256' | 'ecdsa';
      readonly scheme: 'ecdsa-sha2-nistp256';
      /** SubjectPublicKeyInfo as PEM. */
      readonly keyval: { readonly public: string };
    }
  | {
      readonly keytype: 'rsa';
      readonly scheme: 'rsassa-pss-sha256';
      /** SubjectPublicKeyInfo as PEM. */
      readonly keyval: { readonly public: string };
    };

/** RSA key sizes that every TUF client reads, in bits. */
const RSA_BITS = { min: 2048, max: 8192 };
/** What comes before the 32 bytes of an ed25519 key in a SubjectPublicKeyInfo (RFC 8410). */
const ED25519_SPKI_PREFIX = '302a300506032b6570032100';

const keyval = z.strictObject({ public: z.string() }).readonly();
const keyShape = z.discriminatedUnion('keytype', [
  z
    .strictObject({ keytype: z.literal('ed25519'), scheme: z.literal('ed25519'), keyval })
    .readonly(),
  z
    .strictObject({
      keytype: z.literal(['ecdsa-sha2-nistp256', 'ecdsa']),
      scheme: z.literal('ecdsa-sha2-nistp256'),
      keyval,
    })
    .readonly(),
  z
    .strictObject({ keytype: z.literal('rsa'), scheme: z.literal('rsassa-pss-sha256'), keyval })
    .readonly(),
]);

const RULE =
  'must be a well-formed key: ed25519 in hex, P-256 or RSA of 2048 to 8192 bits as SubjectPublicKeyInfo PEM';

/** A key of the profile in the one encoding that `keyOf` writes, so that one key has one id. */
export const keySchema: z.ZodType<Key> = keyShape.refine(isCanonical, RULE);

/**
 * A key of the profile, or as tuftool writes it: PEM without its last line break, keytype `ecdsa`. So one key can have
 * several ids, and who counts signatures must know that `keyMaterial` is the same.
 */
export const readableKeySchema: z.ZodType<Key> = keyShape.refine(isReadable, RULE);

/** The TUF key of a public key. Throws `tuf/key` for kinds, curves and sizes outside the profile. */
export function keyOf(publicKey: KeyObject): Key {
  const details = publicKey.asymmetricKeyDetails ?? {};
  if (publicKey.asymmetricKeyType === 'ed25519') {
    const der = publicKey.export({ type: 'spki', format: 'der' }).toString('hex');
    const hex = der.slice(ED25519_SPKI_PREFIX.length);
    return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } };
  }
  if (publicKey.asymmetricKeyType === 'ec' && details.namedCurve === 'prime256v1') {
    const scheme = 'ecdsa-sha2-nistp256';
    return { keytype: scheme, scheme, keyval: { public: canonicalPem(publicKey) } };
  }
  const bits = details.modulusLength ?? 0;
  if (publicKey.asymmetricKeyType === 'rsa' && bits >= RSA_BITS.min && bits <= RSA_BITS.max) {
    const scheme = 'rsassa-pss-sha256';
    return { keytype: 'rsa', scheme, keyval: { public: canonicalPem(publicKey) } };
  }
  const kind = [publicKey.asymmetricKeyType ?? publicKey.type, details.namedCurve, bits || '']
    .join(' ')
    .trim();
  throw new TufError(
    'tuf/key',
    `key must be ed25519, ECDSA P-256 or RSA of ${RSA_BITS.min} to ${RSA_BITS.max} bits, got ${kind}`,
  );
}

/** SHA-256 of the key's canonical JSON in hex: the only key id that every client accepts. */
export function keyId(key: Key): string {
  return createHash('sha256').update(canonicalBytes(key)).digest('hex');
}

/** The same text for the same key, whatever its id. */
export function keyMaterial(key: Key): string {
  return key.keyval.public.trimEnd();
}

/** Whether `signatureHex` is this key's signature of these bytes; false for malformed signatures too. */
export function isSignedBy(key: Key, bytes: Uint8Array, signatureHex: string): boolean {
  if (!/^(?:[0-9a-f]{2})+$/.test(signatureHex)) return false;
  const signature = Buffer.from(signatureHex, 'hex');
  const publicKey = toKeyObject(key);
  switch (key.keytype) {
    case 'ed25519':
      return verify(null, bytes, publicKey, signature);
    case 'ecdsa':
    case 'ecdsa-sha2-nistp256':
      return verify('sha256', bytes, { key: publicKey, dsaEncoding: 'der' }, signature);
    case 'rsa':
      // Other salt lengths pass in some clients, but not in tough.
      return verify(
        'sha256',
        bytes,
        {
          key: publicKey,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
        },
        signature,
      );
  }
}

/** The key as SubjectPublicKeyInfo PEM, the form in which public keys travel. */
export function publicPemOf(key: Key): string {
  return toKeyObject(key).export({ type: 'spki', format: 'pem' }).toString();
}

function toKeyObject(key: Key): KeyObject {
  if (key.keytype !== 'ed25519') return createPublicKey(key.keyval.public);
  return createPublicKey({
    key: Buffer.from(ED25519_SPKI_PREFIX + key.keyval.public, 'hex'),
    format: 'der',
    type: 'spki',
  });
}

function isCanonical(key: Key): boolean {
  try {
    const same = keyOf(toKeyObject(key));
    return same.keytype === key.keytype && same.keyval.public === key.keyval.public;
  } catch {
    return false;
  }
}

function isReadable(key: Key): boolean {
  if (key.keytype === 'ed25519') return isCanonical(key);
  const ended = { public: key.keyval.public.replace(/\n?$/, '\n') };
  return isCanonical(
    key.keytype === 'rsa'
      ? { ...key, keyval: ended }
      : { ...key, keytype: key.scheme, keyval: ended },
  );
}

/** Through the numbers of the key, so that compressed points and odd encodings come out the same. */
function canonicalPem(publicKey: KeyObject): string {
  const jwk = publicKey.export({ format: 'jwk' });
  return createPublicKey({ key: jwk, format: 'jwk' })
    .export({ type: 'spki', format: 'pem' })
    .toString();
}
