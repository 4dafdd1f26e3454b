import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { adopt } from '../adopt.ts';
import { configOption } from './context.ts';
import type { AgentOptions } from './context.ts';
import { changeSlots } from './gpt-context.ts';

type Options = AgentOptions & { readonly version: string };

export function agentSlotsAdoptCommand(io: Io): Command {
  return new Command('adopt')
    .description('after the state was lost: check that the running slot is a signed release')
    .addOption(configOption())
    .requiredOption('--version <version>', 'the release that runs')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent slots adopt --version 1.4.0')
    .action((options: Options) =>
      changeSlots(io, options, {
        work: async ({ context, slots }) => {
          await adopt(context, slots, options.version);
          return { version: options.version };
        },
        say: ({ version }) => `the running slot holds release ${version}`,
      }),
    );
}
