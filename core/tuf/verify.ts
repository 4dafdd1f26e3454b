import { createHash } from 'node:crypto';
import { TufError } from './errors.ts';
import { isSignedBy, keyMaterial } from './keys.ts';
import type { Key } from './keys.ts';
import type { Hashes, Keys, ReadMetadata, RoleKeys, RootMetadata } from './metadata.ts';

/** Who may sign a role: the keys that its parent metadata names, and how many of them must. */
export type RoleTrust = RoleKeys & { readonly keys: Keys };

/** The length and hash that parent metadata demands of a file. */
export type Content = { readonly length: number; readonly hashes: Hashes };

/** The id under which the role trusts this key, however tuftool or we wrote it down; null if it does not. */
export function trustedIdOf({ keyids, keys }: RoleTrust, key: Key): string | null {
  const material = keyMaterial(key);
  const isSame = (id: string) => {
    const own = Object.hasOwn(keys, id) ? keys[id] : undefined;
    return own !== undefined && keyMaterial(own) === material;
  };
  return keyids.find(isSame) ?? null;
}

/** The ids of the role's keys that signed these bytes, each once. */
export function signersOf(
  metadata: Pick<ReadMetadata<unknown>, 'signatures' | 'signedBytes'>,
  trust: RoleTrust,
): readonly string[] {
  const signed = metadata.signatures.filter(({ keyid, sig }) => {
    const key = Object.hasOwn(trust.keys, keyid) ? trust.keys[keyid] : undefined;
    return (
      key !== undefined &&
      trust.keyids.includes(keyid) &&
      isSignedBy(key, metadata.signedBytes, sig)
    );
  });
  return [...new Set(signed.map(({ keyid }) => keyid))];
}

/** Throws `tuf/threshold` unless enough different keys of the role signed. */
export function verifySignatures(
  file: string,
  metadata: Pick<ReadMetadata<unknown>, 'signatures' | 'signedBytes'>,
  trust: RoleTrust,
): void {
  const signers = signersOf(metadata, trust);
  if (signers.length < trust.threshold) {
    throw new TufError(
      'tuf/threshold',
      `${file} must be signed by ${trust.threshold} of ${trust.keyids.length} keys, got ${signers.length}`,
    );
  }
}

/** TUF 5.3.4, 5.3.5: the next root is signed by the old keys and its own, and is exactly one version on. */
export function verifyNextRoot(
  file: string,
  trusted: RootMetadata,
  next: ReadMetadata<RootMetadata>,
): void {
  verifySignatures(file, next, rootTrust(trusted, 'root'));
  verifySignatures(file, next, rootTrust(next.signed, 'root'));
  verifyVersion(file, trusted.version + 1, next.signed.version);
}

/** Throws `tuf/length` or `tuf/hash` unless these are the bytes that parent metadata names. */
export function verifyContent(file: string, expected: Content, bytes: Uint8Array): void {
  if (bytes.length !== expected.length) {
    throw new TufError(
      'tuf/length',
      `${file} must have ${expected.length} bytes, got ${bytes.length}`,
    );
  }
  const { sha256 } = contentOf(bytes).hashes;
  if (sha256 !== expected.hashes.sha256) {
    throw new TufError(
      'tuf/hash',
      `${file} must have the SHA-256 ${expected.hashes.sha256}, got ${sha256}`,
    );
  }
}

export function contentOf(bytes: Uint8Array): Content {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { length: bytes.length, hashes: { sha256 } };
}

/** TUF 5.5.4, 5.6.4: exactly the version that parent metadata names. */
export function verifyVersion(file: string, expected: number, got: number): void {
  if (got !== expected) {
    throw new TufError('tuf/version', `${file} must have version ${expected}, got ${got}`);
  }
}

/** TUF 5.4.3.1 and its like: what was seen once may not go back. */
export function verifyNotOlder(file: string, seen: number, got: number): void {
  if (got < seen) {
    throw new TufError('tuf/version', `${file} went back from version ${seen} to ${got}`);
  }
}

export function isExpired(metadata: { readonly expires: string }, now: Date): boolean {
  return new Date(metadata.expires) <= now;
}

/** Throws `tuf/expired`. */
export function verifyFresh(file: string, metadata: { readonly expires: string }, now: Date): void {
  if (isExpired(metadata, now)) {
    throw new TufError('tuf/expired', `${file} expired at ${metadata.expires}`);
  }
}

export function rootTrust(root: RootMetadata, role: keyof RootMetadata['roles']): RoleTrust {
  return { ...root.roles[role], keys: root.keys };
}
