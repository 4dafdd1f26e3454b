import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { readPolicyOption } from '../usage.ts';
import { confirmImpact } from '../impact.ts';
import type { ImpactOptions } from '../impact.ts';
import { addChangeOptions, changeRollout } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';
import { rolloutLine } from './rollout-text.ts';

type Options = TargetOptions &
  ImpactOptions & { readonly to: string; readonly policy?: string; readonly reason: string };

export function rolloutRollbackCommand(io: Io): Command {
  const command = new Command('rollback')
    .description('withdraw the release and send the hosts that run it to another one')
    .argument('<id>', 'id of the rollout')
    .requiredOption('--to <version>', 'a version that the signed document of the release permits')
    .option('--policy <file>', 'waves in TOML in which they go back; without it all at once')
    .requiredOption('--reason <text>', 'why, for the history')
    .option('--yes', 'do not ask; needed without a terminal')
    .addHelpText(
      'after',
      "\nExample:\n  tidegate rollout rollback 2jq9fqxk1c --to 1.0.0 --reason 'kernel panics' --storage file:repo \\\n" +
        '    --online-key file:keys/online.pem',
    )
    .action((id: string, options: Options) =>
      changeRollout(io, options, {
        verb: async (control) => {
          const policy = await readPolicyOption(io, options.policy);
          const { to: version, reason, yes, dryRun } = options;
          await confirmImpact(io, control, {
            ...{ verb: 'rollback', id, to: version, policy },
            ...{ yes, dryRun },
          });
          return control.rollBack({ rolloutId: id, version, policy, reason });
        },
        lines: (view) => [rolloutLine(view)],
      }),
    );
  return addChangeOptions(command);
}
