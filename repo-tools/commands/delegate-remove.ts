import { Command } from 'commander';
import { NO_TRUST_CHANGE } from '../../adapters/repository/draft-proposal.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { releasesRole } from '../../core/tuf/names.ts';
import { addCeremonyOptions, platformOption } from '../ceremony/options.ts';
import type { CeremonyOptions } from '../ceremony/options.ts';
import { proposeChange } from '../ceremony/propose.ts';

export function delegateRemoveCommand(io: Io): Command {
  const command = new Command('remove')
    .description('let nobody sign releases of a variant and arch any more; its hosts are frozen')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .argument('<variant:arch...>', 'whose delegation ends')
    .addHelpText(
      'after',
      "\nExample:\n  tidegate repo delegate remove file:repo aws-ecs-1:x86_64 --reason 'end of life' --out proposal.json",
    )
    .action((storage: string, texts: readonly string[], options: CeremonyOptions) =>
      proposeChange(io, storage, options, () => ({
        ...NO_TRUST_CHANGE,
        removeDelegations: texts.map((text) => releasesRole(platformOption(text))),
      })),
    );
  return addCeremonyOptions(command);
}
