import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { fingerprintOf, ProposalError } from '../../core/tuf/proposal.ts';
import { reviewOf } from '../../core/tuf/review.ts';
import {
  readProposals,
  readTrustedRoot,
  replaceProposal,
  writeNewProposal,
} from '../ceremony/proposal-file.ts';
import { reviewLines } from '../ceremony/review-text.ts';
import { signProposal } from '../ceremony/sign-proposal.ts';
import { openSigners } from '../open-signers.ts';
import { print } from '../usage.ts';

type Options = {
  readonly in: string;
  readonly key: readonly string[];
  readonly reviewed?: string;
  readonly root?: string;
  readonly out?: string;
  readonly json?: boolean;
};

/** Enough of a fingerprint that nobody finds a second proposal with the same beginning. */
const MIN_FINGERPRINT_DIGITS = 32;

export function rootSignCommand(io: Io): Command {
  return new Command('sign')
    .description('sign a proposal; needs its file and a key, and no repository')
    .requiredOption('--in <file>', 'the proposal; the signature is added to it')
    .requiredOption('--key <source...>', 'your key')
    .option('--reviewed <fingerprint>', 'the fingerprint that the review ended with')
    .option(
      '--root <file>',
      'a root that you trust: refuse a proposal that is not made on top of it',
    )
    .option('--out <file>', 'write the signed proposal to a new file instead')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nWithout --reviewed it prints the review only.\n\nExample:\n  tidegate repo root sign --in proposal.json --key file:alice.pem --reviewed 5f0c…',
    )
    .action((options: Options) => sign(io, options));
}

async function sign(io: Io, options: Options): Promise<void> {
  const draft = await readProposals(io, [options.in]);
  const fingerprint = fingerprintOf(draft);
  const { reviewed } = options;
  const trustedRoot = await readTrustedRoot(io, options.root);
  const before = reviewOf(draft, io.now(), trustedRoot);
  const isReviewed =
    reviewed !== undefined &&
    reviewed.length >= MIN_FINGERPRINT_DIGITS &&
    fingerprint.startsWith(reviewed);
  if (!isReviewed) {
    reviewLines(draft, before).forEach((line) => io.stderr.write(`${line}\n`));
    throw new ProposalError(
      'proposal/not-reviewed',
      reviewed === undefined
        ? 'nothing is signed before it was reviewed'
        : `what was reviewed has the fingerprint ${reviewed}, but this is another proposal`,
      { hints: [`if you agree with all of the above: --reviewed ${fingerprint}`] },
    );
  }
  if (before.problems.length > 0) {
    throw new ProposalError('proposal/problems', 'a proposal with problems is not signed', {
      hints: before.problems,
    });
  }
  await using keys = new AsyncDisposableStack();
  const signers = await openSigners(io, keys, options.key);
  const { proposal, signed } = await signProposal(draft, signers);
  for (const { source, keyId } of signers) {
    if ((signed.get(keyId) ?? []).length === 0) {
      throw new ProposalError('proposal/key', `key ${keyId} of ${source} signs nothing in here`);
    }
  }
  if (options.out === undefined) await replaceProposal(io, options.in, proposal);
  else await writeNewProposal(io, options.out, proposal);
  const review = reviewOf(proposal, io.now());
  const missing = review.requirements.filter(({ isMet }) => !isMet);
  print(io, options.json, { id: proposal.id, signed: Object.fromEntries(signed), ...review }, [
    ...[...signed].map(([keyId, roles]) => `${keyId} signed ${roles.join(' and ')}`),
    ...missing.map(
      ({ role, by, threshold, signed: present }) =>
        `${role} needs ${threshold - present.length} more of the keys of ${by}`,
    ),
    ...(missing.length === 0 ? ['all have signed: tidegate repo root apply publishes it'] : []),
  ]);
}
