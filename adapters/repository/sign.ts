import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { encodeEnvelope, MAX_LENGTHS } from '../../core/tuf/metadata.ts';
import type { Metadata, ReadMetadata, Signature, SignedMetadata } from '../../core/tuf/metadata.ts';
import { verifySignatures } from '../../core/tuf/verify.ts';
import type { RoleTrust } from '../../core/tuf/verify.ts';
import type { Signer } from '../signing/signer.ts';
import { RepositoryError } from './errors.ts';

/** A role's metadata file, signed by all of the role's keys that are at hand. */
export async function signMetadata<S extends Metadata>(
  role: string,
  signed: S,
  { trust, signers }: { readonly trust: RoleTrust; readonly signers: readonly Signer[] },
): Promise<SignedMetadata<S>> {
  requireSigners(role, trust, signers);
  const signedBytes = canonicalBytes(signed);
  const signatures = await Promise.all(
    signersFor(trust, signers).map((signer) => signatureOf(signer, signedBytes)),
  );
  // What a broken key service answers must not be published.
  verifySignatures(`the new ${role}`, { signatures, signedBytes }, trust);
  return encodeSigned(role, { signed, signatures, signedBytes });
}

export async function signatureOf(signer: Signer, signedBytes: Uint8Array): Promise<Signature> {
  return { keyid: signer.keyId, sig: await signer.sign(signedBytes) };
}

/** The file of signed metadata. Throws `repository/too-large` if clients would not read it. */
export function encodeSigned<S extends Metadata>(
  role: string,
  read: ReadMetadata<S>,
): SignedMetadata<S> {
  const bytes = encodeEnvelope(read);
  const limit = MAX_LENGTHS[read.signed._type];
  if (bytes.length > limit) {
    throw new RepositoryError(
      'repository/too-large',
      `role ${role} may have ${limit} bytes of metadata, got ${bytes.length}`,
    );
  }
  return { ...read, bytes };
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
