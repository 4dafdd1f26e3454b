import { createPublicKey } from 'node:crypto';
import type { Key } from '../../../core/tuf/keys.ts';
import { SigningError } from '../errors.ts';
import { profileKey } from '../pem.ts';
import { CKA, CKK, CKO } from './constants.ts';
import { wordAttribute, wordOf } from './cryptoki.ts';
import type { Attribute, Cryptoki } from './cryptoki.ts';
import type { Pkcs11Uri } from './uri.ts';

/** A session on the token that holds the key, and what is done in it. */
export type OnToken<Calls extends keyof Cryptoki = keyof Cryptoki> = {
  readonly cryptoki: Pick<Cryptoki, Calls>;
  readonly session: bigint;
  readonly source: string;
};

type Reading = OnToken<'attribute' | 'findObjects'>;

const P256 = Buffer.from('06082a8648ce3d030107', 'hex');
const OCTET_STRING = 0x04;
const UNCOMPRESSED = 0x04;
const P256_BYTES = 32;
const ED25519_BYTES = 32;

/** The one private key that a URI describes. Throws SigningError and CryptokiError. */
export async function findPrivateKey(on: Reading, uri: Pkcs11Uri): Promise<bigint> {
  const key = await theOne(on, CKO.PRIVATE_KEY, wanted(uri), 'private key');
  const maySign = await on.cryptoki.attribute(on.session, key, CKA.SIGN);
  if (maySign?.[0] === 0) {
    throw new SigningError('signing/unsupported', `${on.source} is a key that may not sign`);
  }
  return key;
}

/** The one public key that a URI describes. Throws SigningError and CryptokiError. */
export async function findPublicKey(on: Reading, uri: Pkcs11Uri): Promise<Key> {
  return keyFrom(on, await theOne(on, CKO.PUBLIC_KEY, wanted(uri), 'public key'));
}

/** The public half of a private key on the token, by their common id. Throws SigningError and CryptokiError. */
export async function publicHalfOf(on: Reading, privateKey: bigint): Promise<Key> {
  const { cryptoki, session } = on;
  const modulus = await cryptoki.attribute(session, privateKey, CKA.MODULUS);
  const exponent = await cryptoki.attribute(session, privateKey, CKA.PUBLIC_EXPONENT);
  // An RSA private key tells its public half itself.
  if (modulus !== null && exponent !== null && modulus.length > 0 && exponent.length > 0) {
    return rsaKey(modulus, exponent, on.source);
  }
  const id = await cryptoki.attribute(session, privateKey, CKA.ID);
  if (id === null || id.length === 0) {
    throw new SigningError(
      'signing/not-there',
      `the private key of ${on.source} has no id, so its public half cannot be found`,
    );
  }
  return keyFrom(
    on,
    await theOne(on, CKO.PUBLIC_KEY, [{ type: CKA.ID, value: id }], 'public half'),
  );
}

function wanted({ path, id }: Pkcs11Uri): readonly Attribute[] {
  return [
    ...(path.object === undefined ? [] : [{ type: CKA.LABEL, value: Buffer.from(path.object) }]),
    ...(id === null ? [] : [{ type: CKA.ID, value: id }]),
  ];
}

async function theOne(
  { cryptoki, session, source }: Reading,
  kind: bigint,
  attributes: readonly Attribute[],
  what: string,
): Promise<bigint> {
  const objects = await cryptoki.findObjects(session, [
    wordAttribute(CKA.CLASS, kind),
    ...attributes,
  ]);
  const [object, ...others] = objects;
  if (object === undefined) {
    throw new SigningError('signing/not-there', `the token has no ${what} for ${source}`, {
      hints: ['pkcs11-tool --login --list-objects shows what it has'],
    });
  }
  if (others.length > 0) {
    throw new SigningError(
      'signing/ambiguous',
      `${source} must mean one ${what}, got ${objects.length}`,
      { hints: ['name it by its id as well: ;id=%01'] },
    );
  }
  return object;
}

async function keyFrom(on: Reading, object: bigint): Promise<Key> {
  const read = (type: bigint) => on.cryptoki.attribute(on.session, object, type);
  const type = wordOf(await read(CKA.KEY_TYPE));
  switch (type) {
    case CKK.RSA:
      return rsaKey(
        (await read(CKA.MODULUS)) ?? Buffer.alloc(0),
        (await read(CKA.PUBLIC_EXPONENT)) ?? Buffer.alloc(0),
        on.source,
      );
    case CKK.EC: {
      const curve = await read(CKA.EC_PARAMS);
      if (curve?.equals(P256) !== true) throw unsupported(on.source, 'an EC key of another curve');
      return p256Key(await read(CKA.EC_POINT), on.source);
    }
    case CKK.EC_EDWARDS:
      return ed25519Key(await read(CKA.EC_POINT), on.source);
    case null:
    default:
      throw unsupported(on.source, `a key of type ${type ?? 'unknown'}`);
  }
}

function rsaKey(modulus: Buffer, exponent: Buffer, source: string): Key {
  return profile({ kty: 'RSA', n: numberOf(modulus), e: numberOf(exponent) }, source);
}

function p256Key(point: Buffer | null, source: string): Key {
  const raw = unwrapped(point, 1 + 2 * P256_BYTES);
  if (raw?.[0] !== UNCOMPRESSED) throw damaged(source);
  const x = raw.subarray(1, 1 + P256_BYTES).toString('base64url');
  const y = raw.subarray(1 + P256_BYTES).toString('base64url');
  return profile({ kty: 'EC', crv: 'P-256', x, y }, source);
}

function ed25519Key(point: Buffer | null, source: string): Key {
  // Ed448 has the same key type, and points of 57 bytes.
  const raw = unwrapped(point, ED25519_BYTES);
  if (raw === null) throw unsupported(source, 'an Edwards key of another curve');
  return profile({ kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }, source);
}

/** PKCS#11 wraps points in a DER octet string; some tokens give them as they are. */
function unwrapped(point: Buffer | null, length: number): Buffer | null {
  if (point?.length === length) return point;
  const isWrapped = point?.[0] === OCTET_STRING && point[1] === length;
  return isWrapped && point.length === length + 2 ? point.subarray(2) : null;
}

/** A number as JWK writes it: without leading zeros. */
function numberOf(bytes: Buffer): string {
  const start = bytes.findIndex((byte) => byte !== 0);
  return bytes.subarray(start === -1 ? bytes.length : start).toString('base64url');
}

function profile(
  jwk: Readonly<Record<string, string>> & { readonly kty: string },
  source: string,
): Key {
  try {
    return profileKey(createPublicKey({ key: jwk, format: 'jwk' }), source);
  } catch (cause) {
    throw cause instanceof SigningError ? cause : damaged(source, cause);
  }
}

function unsupported(source: string, got: string): SigningError {
  return new SigningError(
    'signing/unsupported',
    `${source} must be ed25519, ECDSA P-256 or RSA of 2048 to 8192 bits, got ${got}`,
  );
}

function damaged(source: string, cause?: unknown): SigningError {
  return new SigningError(
    'signing/not-a-key',
    `${source}: the token gives no readable public key`,
    {
      cause,
    },
  );
}
