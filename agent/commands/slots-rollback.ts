import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { flip } from '../flip.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { changeSlots } from './gpt-context.ts';

export function agentSlotsRollbackCommand(io: Io): Command {
  return new Command('rollback')
    .description('boot the other release again, if it would boot and the running one permits it')
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent slots rollback')
    .action((options: AgentOptions) =>
      changeSlots(io, options, {
        work: ({ context, slots }) => flip(context, () => slots.rollback()),
        say: ({ from, to }) => `release ${to} runs again from the next boot on, instead of ${from}`,
      }),
    );
}
