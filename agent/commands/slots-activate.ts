import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { flip } from '../flip.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { changeSlots } from './gpt-context.ts';

export function agentSlotsActivateCommand(io: Io): Command {
  return new Command('activate')
    .description('boot the inactive slot next, after it was compared with its signed document')
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      [
        '\nAfter the boot the agent asks whether the host is well, and marks the release good or goes back; without an',
        'agent `slots mark-good` must be said before the tries are used up.',
        '\nExample:\n  tidegate agent slots activate',
      ].join('\n'),
    )
    .action((options: AgentOptions) =>
      changeSlots(io, options, {
        work: ({ context, slots }) => flip(context, (version) => slots.activate(version)),
        say: ({ from, to }) => `release ${to} runs from the next boot on, instead of ${from}`,
      }),
    );
}
