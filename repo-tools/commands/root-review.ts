import { Command } from 'commander';
import { findOpenProposal } from '../../adapters/repository/open-proposal.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { ProposalError } from '../../core/tuf/proposal.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import { reviewOf } from '../../core/tuf/review.ts';
import { readProposals, readTrustedRoot } from '../ceremony/proposal-file.ts';
import { reviewLines } from '../ceremony/review-text.ts';
import { openStorageFor } from '../open-storage.ts';
import { print, UsageError } from '../usage.ts';

type Options = {
  readonly in?: readonly string[];
  readonly root?: string;
  readonly json?: boolean;
};

export function rootReviewCommand(io: Io): Command {
  return new Command('review')
    .description('tell what a proposal changes, what it means, and who has signed')
    .argument('[storage]', 'the repository whose open proposal is shown')
    .option('--in <file...>', 'proposal files; signatures of several copies are counted together')
    .option('--root <file>', 'a root that you trust: is the proposal made on top of it?')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate repo root review --in proposal.json')
    .action((storage: string | undefined, options: Options) => review(io, storage, options));
}

async function review(io: Io, url: string | undefined, options: Options): Promise<void> {
  const proposal = await proposalOf(io, url, options);
  const trustedRoot = await readTrustedRoot(io, options.root);
  const shown = reviewOf(proposal, io.now(), trustedRoot);
  print(io, options.json, { id: proposal.id, ...shown }, reviewLines(proposal, shown));
}

async function proposalOf(
  io: Io,
  url: string | undefined,
  { in: paths }: Options,
): Promise<Proposal> {
  if ((url === undefined) === (paths === undefined)) {
    throw new UsageError('usage/option', 'give either a storage or --in');
  }
  if (paths !== undefined) return readProposals(io, paths);
  await using storage = await openStorageFor(io, url ?? '', 'read');
  const open = await findOpenProposal(storage);
  if (open === null) throw new ProposalError('proposal/not-open', `no proposal is open in ${url}`);
  return open;
}
