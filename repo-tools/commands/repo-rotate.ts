import { Command } from 'commander';
import { NO_TRUST_CHANGE } from '../../adapters/repository/draft-proposal.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { addCeremonyOptions, countOption, rolesNamed } from '../ceremony/options.ts';
import type { CeremonyOptions } from '../ceremony/options.ts';
import { proposeChange } from '../ceremony/propose.ts';
import { openPublicKeys, rotation } from '../ceremony/rotation.ts';

type Options = CeremonyOptions & {
  readonly newKey: readonly string[];
  readonly threshold?: string;
};

export function repoRotateCommand(io: Io): Command {
  const command = new Command('rotate')
    .description('replace all keys of a role; hosts follow from every past root')
    .argument(
      '<role>',
      'root, targets, snapshot, timestamp, rollouts, online, releases-VARIANT-ARCH',
    )
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .requiredOption('--new-key <source...>', 'the keys that the role has from now on')
    .option('--threshold <number>', 'how many of them must sign (default: as before)')
    .addHelpText(
      'after',
      "\nExample:\n  tidegate repo rotate online file:repo --new-key file:online2.pem --reason 'yearly' \\\n" +
        '    --sign-with file:root1.pem file:root2.pem file:targets.pem --online-key file:online2.pem',
    )
    .action((role: string, storage: string, options: Options) =>
      proposeChange(io, storage, options, async (files) => ({
        ...NO_TRUST_CHANGE,
        keys: rotation(files, rolesNamed(role), {
          keys: await openPublicKeys(io, options.newKey),
          threshold:
            options.threshold === undefined ? null : countOption('--threshold', options.threshold),
        }),
      })),
    );
  return addCeremonyOptions(command);
}
