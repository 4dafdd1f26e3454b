import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { CKA, CKK, CKO } from '../../../../adapters/signing/pkcs11/constants.ts';
import { wordAttribute } from '../../../../adapters/signing/pkcs11/cryptoki.ts';
import {
  findPrivateKey,
  findPublicKey,
  publicHalfOf,
} from '../../../../adapters/signing/pkcs11/token-key.ts';
import { parsePkcs11Uri } from '../../../../adapters/signing/pkcs11/uri.ts';
import { keyOf } from '../../../../core/tuf/keys.ts';

type Values = ReadonlyMap<bigint, Uint8Array>;

const PAIR = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const SPKI = PAIR.publicKey.export({ type: 'spki', format: 'der' });
const POINT = SPKI.subarray(-65);
const P256 = Buffer.from('06082a8648ce3d030107', 'hex');
const ED25519 = generateKeyPairSync('ed25519').publicKey;
const ED25519_POINT = ED25519.export({ type: 'spki', format: 'der' }).subarray(-32);
const ANY = parsePkcs11Uri('object=a');

/** A token that holds objects such as SoftHSM does not make. */
function token(...objects: readonly Values[]) {
  const cryptoki = {
    attribute: async (_: bigint, object: bigint, type: bigint) => {
      const value = objects[Number(object)]?.get(type);
      return value === undefined ? null : Buffer.from(value);
    },
    findObjects: async (
      _: bigint,
      wanted: readonly { readonly type: bigint; readonly value: Uint8Array }[],
    ) =>
      [...objects.keys()]
        .filter((index) =>
          wanted.every(({ type, value }) =>
            Buffer.from(objects[index]?.get(type) ?? []).equals(Buffer.from(value)),
          ),
        )
        .map(BigInt),
  };
  return { cryptoki, session: 1n, source: 'pkcs11:object=a' };
}

function made(kind: bigint, type: bigint, ...more: readonly [bigint, Uint8Array][]): Values {
  return new Map([
    [CKA.CLASS, wordAttribute(CKA.CLASS, kind).value],
    [CKA.KEY_TYPE, wordAttribute(CKA.KEY_TYPE, type).value],
    [CKA.LABEL, Buffer.from('a')],
    ...more,
  ]);
}

function wrapped(point: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(4, point.length), point]);
}

describe('findPrivateKey', () => {
  it('refuses a key that may only decrypt', async () => {
    const on = token(made(CKO.PRIVATE_KEY, CKK.RSA, [CKA.SIGN, Uint8Array.of(0)]));
    await expect(findPrivateKey(on, ANY)).rejects.toMatchObject({ code: 'signing/unsupported' });
  });

  it('takes a key that does not say whether it may sign', async () => {
    expect(await findPrivateKey(token(made(CKO.PRIVATE_KEY, CKK.RSA)), ANY)).toBe(0n);
  });
});

describe('findPublicKey', () => {
  it.each([
    ['in a DER octet string', wrapped(POINT)],
    ['as it is', POINT],
  ])('reads a point of P-256 %s', async (_, point) => {
    const on = token(made(CKO.PUBLIC_KEY, CKK.EC, [CKA.EC_PARAMS, P256], [CKA.EC_POINT, point]));
    expect(await findPublicKey(on, ANY)).toEqual(keyOf(PAIR.publicKey));
  });

  it.each([
    ['in a DER octet string', wrapped(ED25519_POINT)],
    ['as it is', ED25519_POINT],
  ])('reads a point of ed25519 %s', async (_, point) => {
    const on = token(made(CKO.PUBLIC_KEY, CKK.EC_EDWARDS, [CKA.EC_POINT, point]));
    expect(await findPublicKey(on, ANY)).toEqual(keyOf(ED25519));
  });

  it.each([
    ['a point that is not on the curve', CKK.EC, Buffer.alloc(65, 4), 'signing/not-a-key'],
    ['half a point', CKK.EC, wrapped(POINT.subarray(0, 33)), 'signing/not-a-key'],
    ['no point', CKK.EC, new Uint8Array(), 'signing/not-a-key'],
    ['Ed448', CKK.EC_EDWARDS, wrapped(Buffer.alloc(57)), 'signing/unsupported'],
    ['an RSA key without numbers', CKK.RSA, POINT, 'signing/unsupported'],
    ['a key of a kind that is none', 0x15n, POINT, 'signing/unsupported'],
  ])('refuses %s', async (_, type, point, code) => {
    const on = token(made(CKO.PUBLIC_KEY, type, [CKA.EC_PARAMS, P256], [CKA.EC_POINT, point]));
    await expect(findPublicKey(on, ANY)).rejects.toMatchObject({ code });
  });
});

describe('publicHalfOf', () => {
  it('refuses a private key without an id, which no public one can be matched with', async () => {
    const on = token(
      made(CKO.PRIVATE_KEY, CKK.EC),
      made(CKO.PUBLIC_KEY, CKK.EC, [CKA.EC_PARAMS, P256], [CKA.EC_POINT, POINT]),
    );
    await expect(publicHalfOf(on, 0n)).rejects.toMatchObject({ code: 'signing/not-there' });
  });

  it('refuses to choose between two public keys of one id', async () => {
    const id: [bigint, Uint8Array] = [CKA.ID, Uint8Array.of(1)];
    const publicKey = made(CKO.PUBLIC_KEY, CKK.EC, id);
    const on = token(made(CKO.PRIVATE_KEY, CKK.EC, id), publicKey, publicKey);
    await expect(publicHalfOf(on, 0n)).rejects.toMatchObject({ code: 'signing/ambiguous' });
  });
});
