import { createHash } from 'node:crypto';
import type { Key } from '../../../core/tuf/keys.ts';
import { CKG, CKM } from './constants.ts';
import type { Mechanism } from './cryptoki.ts';

const SALT_BYTES = 32n;
const INTEGER = 0x02;
const SEQUENCE = 0x30;

/** How a token signs for a key: the mechanism, what it is given, and its answer in the encoding of TUF. */
export type TokenScheme = {
  readonly mechanism: Mechanism;
  readonly input: (bytes: Uint8Array) => Uint8Array;
  readonly output: (signature: Buffer) => Buffer;
};

/** The scheme for a key of the profile. Digests are made here: tokens are slow, and many take only a few KiB. */
export function tokenScheme(key: Key): TokenScheme {
  switch (key.keytype) {
    case 'rsa':
      return {
        mechanism: {
          type: CKM.RSA_PKCS_PSS,
          parameters: [CKM.SHA256, CKG.MGF1_SHA256, SALT_BYTES],
        },
        input: sha256,
        output: (signature) => signature,
      };
    case 'ecdsa':
    case 'ecdsa-sha2-nistp256':
      return {
        mechanism: { type: CKM.ECDSA, parameters: [] },
        input: sha256,
        output: derOf,
      };
    case 'ed25519':
      return {
        mechanism: { type: CKM.EDDSA, parameters: [] },
        // A copy of its own: it is read from another thread.
        input: (bytes) => Uint8Array.from(bytes),
        output: (signature) => signature,
      };
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

/** Tokens give r and s one after the other, of the same length; TUF wants the DER sequence of both. */
function derOf(signature: Buffer): Buffer {
  const half = signature.length / 2;
  const numbers = Buffer.concat([
    derInteger(signature.subarray(0, half)),
    derInteger(signature.subarray(half)),
  ]);
  return Buffer.concat([Buffer.of(SEQUENCE, numbers.length), numbers]);
}

function derInteger(unsigned: Buffer): Buffer {
  const start = unsigned.findIndex((byte) => byte !== 0);
  const shortest = start === -1 ? Buffer.of(0) : unsigned.subarray(start);
  const isNegative = ((shortest[0] ?? 0) & 0x80) !== 0;
  const positive = isNegative ? Buffer.concat([Buffer.of(0), shortest]) : shortest;
  return Buffer.concat([Buffer.of(INTEGER, positive.length), positive]);
}
