import { signatureOf } from '../../adapters/repository/sign.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { filesOfProposal, withSignature } from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { signableBy } from '../../core/tuf/review.ts';

export type SignedProposal = {
  readonly proposal: Proposal;
  /** The roles whose files each key signed, by key id. */
  readonly signed: ReadonlyMap<string, readonly string[]>;
};

/** The proposal with the signatures that these keys may give; a key that may give none adds none. */
export async function signProposal(
  proposal: Proposal,
  signers: readonly Signer[],
): Promise<SignedProposal> {
  let next = proposal;
  const signed = new Map<string, readonly string[]>();
  for (const signer of signers) {
    const roles = signableBy(proposal, signer.keyId);
    for (const [role, file] of filesOfProposal(proposal)) {
      if (!roles.includes(role)) continue;
      next = withSignature(next, role, await signatureOf(signer, file.signedBytes));
    }
    signed.set(signer.keyId, roles);
  }
  return { proposal: next, signed };
}
