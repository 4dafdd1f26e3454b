import { Command } from 'commander';
import { applyProposal } from '../../adapters/repository/apply-proposal.ts';
import {
  closeProposal,
  findOpenProposal,
  requireOpen,
} from '../../adapters/repository/open-proposal.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { mergeProposals, ProposalError } from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { reviewOf } from '../../core/tuf/review.ts';
import { readProposals } from '../ceremony/proposal-file.ts';
import { expiryPolicyOption } from '../expiry-policy.ts';
import { openSigners } from '../open-signers.ts';
import { openStorageFor } from '../open-storage.ts';
import { reviewLines } from '../ceremony/review-text.ts';
import { print, UsageError } from '../usage.ts';

type Options = {
  readonly in?: readonly string[];
  readonly onlineKey?: readonly string[];
  readonly expiryPolicy?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

export function rootApplyCommand(io: Io): Command {
  return new Command('apply')
    .description('publish the open proposal; running it again finishes what was interrupted')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .option('--in <file...>', 'the signed proposal, or several copies with one signature each')
    .option(
      '--online-key <source...>',
      'keys of snapshot, timestamp and rollouts as they are after the change',
    )
    .option('--expiry-policy <file>', 'TOML with timestamp_expiration and the like')
    .option('--dry-run', 'print the review with all signatures; open no key, write nothing')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate repo root apply s3://updates/repo --in proposal.json --online-key aws-kms:alias/online',
    )
    .action((storage: string, options: Options) => apply(io, storage, options));
}

async function apply(io: Io, url: string, options: Options): Promise<void> {
  const { dryRun = false, onlineKey, json } = options;
  if (!dryRun && onlineKey === undefined) {
    throw new UsageError('usage/option', '--online-key is needed, except for a --dry-run');
  }
  const expiry = await expiryPolicyOption(io, options.expiryPolicy);
  await using storage = await openStorageFor(io, url, dryRun ? 'read' : 'write');
  const proposal = await openOne(io, storage, options.in);
  if (dryRun) {
    const review = reviewOf(proposal, io.now());
    print(io, json, { id: proposal.id, dryRun, ...review }, reviewLines(proposal, review));
    return;
  }
  await using keys = new AsyncDisposableStack();
  const signers = await openSigners(io, keys, onlineKey);
  const state = await applyProposal(proposal, { storage, signers, now: io.now(), expiry });
  await closeProposal(storage);
  const versions = { root: state.root.version, targets: state.targets.version };
  print(io, json, { id: proposal.id, isApplied: true, ...versions }, [
    `applied proposal ${proposal.id}: root ${versions.root}, targets ${versions.targets}`,
  ]);
}

/** The open proposal with the signatures that came with the files. */
async function openOne(
  io: Io,
  storage: Storage,
  paths: readonly string[] | undefined,
): Promise<Proposal> {
  const open = await findOpenProposal(storage);
  if (paths === undefined) {
    if (open !== null) return open;
    throw new ProposalError('proposal/not-open', `no proposal is open in ${storage.url}`);
  }
  const proposal = await readProposals(io, paths);
  await requireOpen(storage, proposal);
  return open === null ? proposal : mergeProposals(proposal, open);
}
