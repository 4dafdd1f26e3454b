import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { encodeEnvelope, MAX_LENGTHS } from '../../core/tuf/metadata.ts';
import type { Metadata } from '../../core/tuf/metadata.ts';
import { verifySignatures } from '../../core/tuf/verify.ts';
import type { RoleTrust } from '../../core/tuf/verify.ts';
import type { Signer } from '../signing/signer.ts';
import { RepositoryError } from './errors.ts';

export type SignedFile = {
  readonly bytes: Uint8Array;
  /** The ids of the keys that signed. */
  readonly signedBy: readonly string[];
};

/** A role's metadata file, signed by all of the role's keys that are at hand. */
export async function signMetadata(
  role: string,
  signed: Metadata,
  { trust, signers }: { readonly trust: RoleTrust; readonly signers: readonly Signer[] },
): Promise<SignedFile> {
  requireSigners(role, trust, signers);
  const signedBytes = canonicalBytes(signed);
  const signatures = await Promise.all(
    signersFor(trust, signers).map(async (signer) => ({
      keyid: signer.keyId,
      sig: await signer.sign(signedBytes),
    })),
  );
  // What a broken key service answers must not be published.
  verifySignatures(`the new ${role}`, { signatures, signedBytes }, trust);
  const bytes = encodeEnvelope({ signed, signatures });
  const limit = MAX_LENGTHS[signed._type];
  if (bytes.length > limit) {
    throw new RepositoryError(
      'repository/too-large',
      `role ${role} may have ${limit} bytes of metadata, got ${bytes.length}`,
    );
  }
  return { bytes, signedBy: signatures.map(({ keyid }) => keyid) };
}

/** Throws `repository/signers`, naming the role, its threshold and the keys that are missing. */
export function requireSigners(role: string, trust: RoleTrust, signers: readonly Signer[]): void {
  const present = signersFor(trust, signers).map(({ keyId }) => keyId);
  if (present.length >= trust.threshold) return;
  const missing = trust.keyids.filter((id) => !present.includes(id));
  throw new RepositoryError(
    'repository/signers',
    `role ${role} must be signed by ${trust.threshold} of its ${trust.keyids.length} keys, got ${present.length}; ` +
      `missing: ${missing.join(', ')}`,
  );
}

/** Each key once, even if it was given twice. */
function signersFor({ keyids }: RoleTrust, signers: readonly Signer[]): readonly Signer[] {
  return keyids.flatMap((id) => signers.find(({ keyId }) => keyId === id) ?? []);
}
