import { applyProposal } from '../../adapters/repository/apply-proposal.ts';
import { draftProposal } from '../../adapters/repository/draft-proposal.ts';
import type { TrustChange } from '../../adapters/repository/draft-proposal.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { RepositoryState } from '../../adapters/repository/repository.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { DEFAULT_EXPIRY_POLICY } from '../../core/tuf/lifetimes.ts';
import { signProposal } from '../../repo-tools/ceremony/sign-proposal.ts';

export type Ceremony = {
  readonly storage: Storage;
  readonly now: Date;
  /** Everybody who signs: the keys of root, targets and releases, and the online ones as they are after the change. */
  readonly signers: readonly Signer[];
};

/** A change of who may sign, as `repo rotate` and `repo recover` publish it, by somebody with all keys. */
export async function changeTrust(
  { storage, now, signers }: Ceremony,
  change: (state: RepositoryState) => TrustChange,
): Promise<RepositoryState> {
  const state = await openRepository({ storage, now: () => now }).load();
  const context = { id: 'ceremony', by: 'test', reason: 'test', now, storage };
  const expiry = DEFAULT_EXPIRY_POLICY;
  const draft = await draftProposal(state, change(state), { ...context, expiry });
  const { proposal } = await signProposal(draft, signers);
  return applyProposal(proposal, { storage, signers, now, expiry, sleep: async () => {} });
}
