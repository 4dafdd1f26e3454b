import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { changeSlots } from './gpt-context.ts';

export function agentSlotsMarkGoodCommand(io: Io): Command {
  return new Command('mark-good')
    .description('the running slot was found good: it boots from now on without tries')
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent slots mark-good')
    .action((options: AgentOptions) =>
      changeSlots(io, options, {
        work: async ({ slots }) => {
          await slots.markGood();
          const { running } = await slots.status();
          return { running };
        },
        say: ({ running }) => `slot ${running} is marked good`,
      }),
    );
}
