import { constants, createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { canonicalBytes } from '../canonical.ts';
import { listOf, objectOf, own } from './raw.ts';
import type { Document, JsonObject } from './raw.ts';

export type Trust = {
  readonly keyids: readonly unknown[];
  readonly threshold: unknown;
  readonly ring: JsonObject;
};

/**
 * `good`: as the profile has it. `salt`: RSA-PSS with another salt length than the digest's. `p1363`: ECDSA as two bare
 * numbers. `bad`: not by this key, over these bytes. `unread`: the key is of no kind that can be tried.
 */
export type Verdict = 'good' | 'salt' | 'p1363' | 'bad' | 'unread';

export type JudgedSignature = {
  readonly keyId: string;
  readonly sig: string;
  /** Null if no trusted delegator of the file names this key for it. */
  readonly verdict: Verdict | null;
};

export type JudgedFile = {
  readonly document: Document;
  readonly signatures: readonly JudgedSignature[];
  /** For each that must agree: how many of its keys signed, in whatever encoding, and how many must; null if unknown. */
  readonly thresholds: readonly {
    readonly needed: number;
    readonly signed: number | null;
  }[];
};

/** Tries every signature of a file that is signed; nothing for metadata that is not signed yet. */
export function judgeSignatures(document: Document, trusts: readonly Trust[]): JudgedFile {
  if (document.file.signatures === null) return { document, signatures: [], thresholds: [] };
  const bytes = signedBytes(document.file.signed);
  const signatures = listOf(document.file.signatures)
    .map(objectOf)
    .map(({ keyid, sig }): JudgedSignature => {
      const keyId = String(keyid);
      const holder = trusts.find(({ keyids }) => keyids.includes(keyId));
      const key = holder === undefined ? undefined : own(holder.ring, keyId);
      const verdict =
        key === undefined
          ? null
          : bytes === null
            ? 'unread'
            : judge(objectOf(key), bytes, String(sig));
      return { keyId, sig: String(sig), verdict };
    });
  const thresholds = trusts.map(({ keyids, threshold }) => {
    const ofRole = signatures.filter(({ keyId }) => keyids.includes(keyId));
    // Bytes that cannot be had, kinds of keys that are not known and thresholds out of reach are other checks' business.
    const isUnknown =
      bytes === null ||
      ofRole.some(({ verdict }) => verdict === 'unread') ||
      !isReachable(threshold, new Set(keyids).size);
    const valid = ofRole.filter(({ verdict }) => verdict !== null && verdict !== 'bad');
    return {
      needed: typeof threshold === 'number' ? threshold : 0,
      signed: isUnknown ? null : new Set(valid.map(({ keyId }) => keyId)).size,
    };
  });
  return { document, signatures, thresholds };
}

export function isReachable(threshold: unknown, keys: number): boolean {
  return Number.isInteger(threshold) && Number(threshold) >= 1 && Number(threshold) <= keys;
}

/** The key of TUF metadata as a key that can verify, whatever its encoding; null if it is none. */
export function readPublicKey(key: JsonObject): KeyObject | null {
  const text = objectOf(key['keyval'])['public'];
  if (typeof text !== 'string') return null;
  try {
    if (text.includes('-----BEGIN')) return createPublicKey(text);
    const prefix = HEX_PREFIXES[text.length];
    if (prefix === undefined || !/^[0-9a-f]+$/i.test(text)) return null;
    const der = Buffer.from(prefix + text, 'hex');
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}

/** What stands before a bare key of so many hex digits in a SubjectPublicKeyInfo: RFC 8410, RFC 5480. */
const HEX_PREFIXES: Readonly<Record<number, string>> = {
  64: '302a300506032b6570032100',
  130: '3059301306072a8648ce3d020106082a8648ce3d030107034200',
};

function signedBytes(signed: unknown): Uint8Array | null {
  if (signed === undefined) return null;
  try {
    return canonicalBytes(signed);
  } catch {
    return null;
  }
}

function judge(key: JsonObject, bytes: Uint8Array, sig: string): Verdict {
  const publicKey = readPublicKey(key);
  const judgeBy = JUDGES[publicKey?.asymmetricKeyType ?? ''];
  if (publicKey === null || judgeBy === undefined) return 'unread';
  if (!/^(?:[0-9a-f]{2})+$/i.test(sig)) return 'bad';
  return judgeBy(publicKey, digestOf(String(key['scheme'])), bytes, Buffer.from(sig, 'hex'));
}

type Judge = (key: KeyObject, digest: string, bytes: Uint8Array, signature: Buffer) => Verdict;

const JUDGES: Readonly<Record<string, Judge>> = {
  ed25519: (key, _, bytes, signature) => (verify(null, bytes, key, signature) ? 'good' : 'bad'),
  ec: (key, digest, bytes, signature) => {
    if (verify(digest, bytes, { key, dsaEncoding: 'der' }, signature)) return 'good';
    return verify(digest, bytes, { key, dsaEncoding: 'ieee-p1363' }, signature) ? 'p1363' : 'bad';
  },
  rsa: (key, digest, bytes, signature) => {
    const isPss = (saltLength: number) =>
      verify(
        digest,
        bytes,
        { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength },
        signature,
      );
    if (isPss(constants.RSA_PSS_SALTLEN_DIGEST)) return 'good';
    if (isPss(constants.RSA_PSS_SALTLEN_AUTO)) return 'salt';
    // PKCS #1 v1.5, as an older scheme says, is another check's finding.
    return verify(digest, bytes, key, signature) ? 'good' : 'bad';
  },
};

/** The end of a scheme's name says its digest: rsassa-pss-sha512, ecdsa-sha2-nistp384. */
function digestOf(scheme: string): string {
  if (/sha512|521/.test(scheme)) return 'sha512';
  return scheme.includes('384') ? 'sha384' : 'sha256';
}
