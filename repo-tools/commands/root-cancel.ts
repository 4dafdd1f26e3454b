import { Command } from 'commander';
import { closeProposal, findOpenProposal } from '../../adapters/repository/open-proposal.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { ProposalError } from '../../core/tuf/proposal.ts';
import { openStorageFor } from '../open-storage.ts';
import { print } from '../usage.ts';

export function rootCancelCommand(io: Io): Command {
  return new Command('cancel')
    .description('give up the open proposal; nothing that is published changes')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate repo root cancel s3://updates/repo')
    .action((storage: string, options: { readonly json?: boolean }) =>
      cancel(io, storage, options),
    );
}

/** A proposal that is half applied cannot be given up: its root is published. */
async function cancel(io: Io, url: string, { json }: { readonly json?: boolean }): Promise<void> {
  await using storage = await openStorageFor(io, url, 'write');
  const open = await findOpenProposal(storage);
  if (open === null) throw new ProposalError('proposal/not-open', `no proposal is open in ${url}`);
  if (open.base !== null) await openRepository({ storage, now: io.now }).load();
  await closeProposal(storage);
  print(io, json, { id: open.id, isCancelled: true }, [`cancelled proposal ${open.id}`]);
}
