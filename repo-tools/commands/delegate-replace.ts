import { Command } from 'commander';
import { NO_TRUST_CHANGE } from '../../adapters/repository/draft-proposal.ts';
import type { TrustChange } from '../../adapters/repository/draft-proposal.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { keyId } from '../../core/tuf/keys.ts';
import { releasesRole } from '../../core/tuf/names.ts';
import { trustIn } from '../../core/tuf/repository-metadata.ts';
import type { TrustFiles } from '../../core/tuf/role-keys.ts';
import { addCeremonyOptions, countOption, platformKeyOptions } from '../ceremony/options.ts';
import type { CeremonyOptions } from '../ceremony/options.ts';
import { proposeChange } from '../ceremony/propose.ts';

type Options = CeremonyOptions & { readonly threshold?: string };

export function delegateReplaceCommand(io: Io): Command {
  const command = new Command('replace')
    .description(
      'give the releases of a variant and arch other keys; all that is published is signed anew',
    )
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .argument('<variant:arch=key...>', 'who signs releases of it; several keys share it')
    .option('--threshold <number>', 'how many of the keys must sign')
    .addHelpText(
      'after',
      "\nExample:\n  tidegate repo delegate replace file:repo aws-k8s-1.32:x86_64=file:new.pem --reason 'new HSM' \\\n" +
        '    --sign-with file:targets.pem file:new.pem --online-key file:online.pem',
    )
    .action((storage: string, texts: readonly string[], options: Options) =>
      proposeChange(io, storage, options, (files) => replacement(io, files, texts, options)),
    );
  return addCeremonyOptions(command);
}

async function replacement(
  io: Io,
  files: TrustFiles,
  texts: readonly string[],
  { threshold }: Options,
): Promise<TrustChange> {
  const platforms = await platformKeyOptions(io, texts);
  return {
    ...NO_TRUST_CHANGE,
    keys: platforms.map(({ keys, ...platform }) => {
      const role = releasesRole(platform);
      const before = trustIn(files, role)?.keyids ?? [];
      const wanted = keys.map(keyId);
      return {
        role,
        add: keys.filter((key) => !before.includes(keyId(key))),
        remove: before.filter((id) => !wanted.includes(id)),
        threshold: threshold === undefined ? null : countOption('--threshold', threshold),
      };
    }),
  };
}
