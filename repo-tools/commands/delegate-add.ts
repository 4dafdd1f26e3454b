import { Command } from 'commander';
import { NO_TRUST_CHANGE } from '../../adapters/repository/draft-proposal.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { releasesPath, releasesRole } from '../../core/tuf/names.ts';
import { addCeremonyOptions, countOption, platformKeyOptions } from '../ceremony/options.ts';
import type { CeremonyOptions } from '../ceremony/options.ts';
import { proposeChange } from '../ceremony/propose.ts';

type Options = CeremonyOptions & { readonly threshold?: string };

export function delegateAddCommand(io: Io): Command {
  const command = new Command('add')
    .description('let keys sign the releases of a new variant and arch')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .argument('<variant:arch=key...>', 'who signs releases of it; several keys share it')
    .option('--threshold <number>', 'how many of the keys must sign', '1')
    .addHelpText(
      'after',
      "\nExample:\n  tidegate repo delegate add file:repo aws-ecs-2:aarch64=file:ecs.pem --reason 'ECS' \\\n" +
        '    --sign-with file:targets.pem file:ecs.pem --online-key file:online.pem',
    )
    .action((storage: string, texts: readonly string[], options: Options) =>
      proposeChange(io, storage, options, async () => ({
        ...NO_TRUST_CHANGE,
        addDelegations: (await platformKeyOptions(io, texts)).map(({ keys, ...platform }) => ({
          keys,
          threshold: countOption('--threshold', options.threshold ?? '1'),
          name: releasesRole(platform),
          paths: [releasesPath(platform)],
        })),
      })),
    );
  return addCeremonyOptions(command);
}
