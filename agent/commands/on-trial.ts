import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { AgentError } from '../errors.ts';
import { isOnTrial } from '../trial.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openContext } from './context.ts';

export function agentOnTrialCommand(io: Io): Command {
  return new Command('on-trial')
    .description('exit 0 if the booted release has still to be found good, 3 if it was')
    .addOption(configOption())
    .option('--json', 'print the answer as one line of JSON, and exit 0 for both')
    .addHelpText('after', '\nExample:\n  tidegate agent on-trial && systemctl reboot')
    .action(async (options: AgentOptions) => {
      const answer = await isOnTrial(await openContext(io, options));
      if (options.json === true) {
        io.stdout.write(`${JSON.stringify({ onTrial: answer })}\n`);
        return;
      }
      if (!answer) throw new AgentError('agent/not-on-trial', 'no release is on trial');
      io.stdout.write('the running release is on trial\n');
    });
}
