import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { changeSlots } from './gpt-context.ts';

export function agentSlotsCancelCommand(io: Io): Command {
  return new Command('cancel')
    .description('boot the running slot again, and not the inactive one')
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent slots cancel')
    .action((options: AgentOptions) =>
      changeSlots(io, options, {
        work: async ({ slots }) => {
          await slots.cancel();
          const { running } = await slots.status();
          return { running };
        },
        say: ({ running }) => `slot ${running} stays what boots`,
      }),
    );
}
