import type { Signer } from '../../adapters/signing/signer.ts';
import { filesOfProposal, withSignature } from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { signableBy } from '../../core/tuf/requirements.ts';

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
    const signable = signableBy(proposal, signer.key);
    for (const [role, file] of filesOfProposal(proposal)) {
      const ids = signable.get(role) ?? [];
      if (ids.length === 0) continue;
      const sig = await signer.sign(file.signedBytes);
      next = ids.reduce((all, keyid) => withSignature(all, role, { keyid, sig }), next);
    }
    signed.set(signer.keyId, [...signable.keys()]);
  }
  return { proposal: next, signed };
}
