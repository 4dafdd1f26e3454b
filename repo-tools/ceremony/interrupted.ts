import { presentState } from '../../adapters/repository/apply-proposal.ts';
import { hasSameContent, isDraftOf } from '../../adapters/repository/draft-proposal.ts';
import type { TrustChange } from '../../adapters/repository/draft-proposal.ts';
import { findOpenProposal } from '../../adapters/repository/open-proposal.ts';
import type { RepositoryState } from '../../adapters/repository/repository.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { ExpectedError } from '../../core/errors.ts';
import { newTargets } from '../../core/tuf/edit.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import type { TrustFiles } from '../../core/tuf/role-keys.ts';

/**
 * The open proposal if the same command left it when it was interrupted: the same change of what is published, for the same
 * reason. Null if none is open or another one is, which whoever proposes is then told.
 */
export async function interruptedProposal({
  storage,
  trustedRoot,
  now,
  reason,
  changeOf,
}: {
  readonly storage: Storage;
  readonly trustedRoot: Uint8Array | undefined;
  readonly now: Date;
  readonly reason: string;
  readonly changeOf: (files: TrustFiles) => TrustChange | Promise<TrustChange>;
}): Promise<Proposal | null> {
  const open = await findOpenProposal(storage);
  if (open === null || open.base === null || open.reason !== reason) return null;
  const { root, targets } = open.base;
  try {
    const change = await changeOf({ root: root.signed, targets: targets.signed });
    if (!isDraftOf(open, change)) return null;
  } catch (error) {
    // The command makes no sense on that base, so it did not make this proposal.
    if (error instanceof ExpectedError) return null;
    throw error;
  }
  const state = await presentState({ storage, now: () => now, trustedRoot }, root.signed.version);
  return isOnTopOf(open, state) ? open : null;
}

/** Whoever can write to the storage can put a proposal there: it must be one on what is really published. */
function isOnTopOf({ base, root, targets, delegated }: Proposal, state: RepositoryState): boolean {
  if (base === null) return false;
  const isPublished = [base.root, ...(root === null ? [] : [root])].some(
    ({ signedBytes }) => Buffer.compare(signedBytes, state.rootFile.signedBytes) === 0,
  );
  const isOfTargets = [base.targets, ...(targets === null ? [] : [targets])].some(({ signed }) =>
    hasSameContent(signed, state.targets),
  );
  return (
    isPublished &&
    isOfTargets &&
    [...delegated].every(([role, { signed }]) =>
      hasSameContent(signed, state.delegated.get(role) ?? newTargets(signed)),
    )
  );
}
