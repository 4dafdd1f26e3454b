import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { encodeEnvelope, MAX_LENGTHS } from '../../core/tuf/metadata.ts';
import type { Metadata, ReadMetadata, SignedMetadata } from '../../core/tuf/metadata.ts';
import { trustedIdOf, verifySignatures } from '../../core/tuf/verify.ts';
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
    signersFor(trust, signers).map(async ({ keyid, signer }) => ({
      keyid,
      sig: await signer.sign(signedBytes),
    })),
  );
  // What a broken key service answers must not be published.
  verifySignatures(`the new ${role}`, { signatures, signedBytes }, trust);
  return encodeSigned(role, { signed, signatures, signedBytes });
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
  const present = signersFor(trust, signers).map(({ keyid }) => keyid);
  if (present.length >= trust.threshold) return;
  const missing = trust.keyids.filter((id) => !present.includes(id));
  throw new RepositoryError(
    'repository/signers',
    `role ${role} must be signed by ${trust.threshold} of its ${trust.keyids.length} keys, got ${present.length}; ` +
      `missing: ${missing.join(', ')}`,
  );
}

/** Each key of the role that is at hand once, even if it was given twice, by the id that the role has for it. */
function signersFor<S extends Pick<Signer, 'key'>>(
  trust: RoleTrust,
  signers: readonly S[],
): readonly { readonly keyid: string; readonly signer: S }[] {
  return trust.keyids.flatMap((keyid) => {
    const signer = signers.find(({ key }) => trustedIdOf(trust, key) === keyid);
    return signer === undefined ? [] : [{ keyid, signer }];
  });
}

/** How many of the role's keys are at hand. */
export function countSigners(trust: RoleTrust, keys: readonly Pick<Signer, 'key'>[]): number {
  return signersFor(trust, keys).length;
}
