import { applyProposal } from '../../adapters/repository/apply-proposal.ts';
import { draftProposal } from '../../adapters/repository/draft-proposal.ts';
import type { TrustChange } from '../../adapters/repository/draft-proposal.ts';
import { RepositoryError } from '../../adapters/repository/errors.ts';
import { closeProposal, openProposal } from '../../adapters/repository/open-proposal.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import { newRolloutId } from '../../adapters/repository/rollouts.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import type { ExpiryPolicy } from '../../core/tuf/lifetimes.ts';
import { ProposalError } from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { reviewOf } from '../../core/tuf/review.ts';
import type { TrustFiles } from '../../core/tuf/role-keys.ts';
import { actor } from '../commands/rollout-target.ts';
import { expiryPolicyOption } from '../expiry-policy.ts';
import { openSigners } from '../open-signers.ts';
import { openStorageFor } from '../open-storage.ts';
import { print, readOptionBytes, UsageError } from '../usage.ts';
import type { CeremonyOptions } from './options.ts';
import { interruptedProposal } from './interrupted.ts';
import { ensureProposalFile } from './proposal-file.ts';
import { reviewLines } from './review-text.ts';
import { signProposal } from './sign-proposal.ts';

/**
 * One change of who may sign what, from the present state to a proposal: printed only (`--dry-run`), written for others to
 * sign (`--out`), or signed and applied at once (`--sign-with`, `--online-key`). One proposal is open at a time; the same command
 * again carries on with it.
 */
export async function proposeChange(
  io: Io,
  url: string,
  options: CeremonyOptions,
  changeOf: (files: TrustFiles) => TrustChange | Promise<TrustChange>,
): Promise<void> {
  requireDestination(options);
  const access = options.dryRun === true ? 'read' : 'write';
  const expiry = await expiryPolicyOption(io, options.expiryPolicy);
  await using storage = await openStorageFor(io, url, access);
  const trustedRoot = await trustedRootOption(io, options.root);
  const now = io.now();
  if (options.dryRun !== true) {
    const { reason } = options;
    const left = await interruptedProposal({ storage, trustedRoot, now, reason, changeOf });
    if (left !== null) {
      io.stderr.write(`tidegate: carrying on with proposal ${left.id} of ${left.by}\n`);
      await finishInterrupted(io, left, { ...options, storage, expiry });
      return;
    }
  }
  const state = await openRepository({ storage, now: io.now, trustedRoot }).load();
  const draft = await draftProposal(state, await changeOf(state), {
    storage,
    now,
    expiry,
    id: newRolloutId(),
    by: actor(io),
    reason: options.reason,
  });
  await finishProposal(io, draft, { ...options, storage, expiry });
}

export async function trustedRootOption(
  io: Io,
  path: string | undefined,
): Promise<Uint8Array | undefined> {
  return path === undefined ? undefined : readOptionBytes(io, '--root', path);
}

type FinishOptions = CeremonyOptions & {
  readonly storage: Storage;
  readonly expiry: ExpiryPolicy;
};

/** Shows a fresh proposal, and then does with it what the options say. */
async function finishProposal(io: Io, draft: Proposal, options: FinishOptions): Promise<void> {
  const { storage, out, dryRun, json } = options;
  if (dryRun === true) {
    const review = reviewOf(draft, io.now());
    print(io, json, { id: draft.id, dryRun: true, ...review }, reviewLines(draft, review));
    return;
  }
  await using keys = new AsyncDisposableStack();
  const people = await openSigners(io, keys, options.signWith);
  const { proposal } = await signProposal(draft, people);
  const online = await openSigners(io, keys, options.onlineKey);
  // With its signatures, so that an apply that is killed can be finished from there.
  await openProposal(storage, proposal);
  if (out === undefined) {
    await applyNow(io, proposal, [...people, ...online], options);
  } else {
    await ensureProposalFile(io, out, proposal).catch(async (error: unknown) => {
      await closeProposal(storage);
      throw error;
    });
  }
  printFinished(io, proposal, options);
}

/** Its files come from the storage, so that nobody's offline key is asked to sign them: they carry their signatures. */
async function finishInterrupted(io: Io, left: Proposal, options: FinishOptions): Promise<void> {
  await using keys = new AsyncDisposableStack();
  const { out } = options;
  if (out === undefined) {
    await applyNow(io, left, await openSigners(io, keys, options.onlineKey), options);
  } else {
    await ensureProposalFile(io, out, left);
  }
  printFinished(io, left, options);
}

function printFinished(io: Io, proposal: Proposal, { storage, out, json }: FinishOptions): void {
  const review = reviewOf(proposal, io.now());
  const isApplied = out === undefined;
  print(io, json, { id: proposal.id, isApplied, ...(isApplied ? {} : { file: out }), ...review }, [
    ...reviewLines(proposal, review),
    isApplied
      ? `applied to ${storage.url}`
      : `wrote ${out}: have it signed with tidegate repo root sign --in ${out}`,
  ]);
}

async function applyNow(
  io: Io,
  proposal: Proposal,
  signers: readonly Signer[],
  { storage, expiry }: { readonly storage: Storage; readonly expiry: ExpiryPolicy },
): Promise<void> {
  try {
    await applyProposal(proposal, { storage, signers, now: io.now(), expiry });
  } catch (error) {
    // Nothing was written yet, and nobody has a copy that could still be signed.
    const isOfClock = error instanceof RepositoryError && error.code === 'repository/clock';
    if (error instanceof ProposalError || isOfClock) await closeProposal(storage);
    throw error;
  }
  await closeProposal(storage);
}

function requireDestination({ out, onlineKey, dryRun }: CeremonyOptions): void {
  if (dryRun === true) return;
  if ((out === undefined) === (onlineKey === undefined)) {
    throw new UsageError(
      'usage/option',
      'give --out to have it signed by others, or --sign-with and --online-key to apply it at once',
      { hints: ['--dry-run only prints what would change'] },
    );
  }
}
