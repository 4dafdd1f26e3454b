import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { adopt } from '../adopt.ts';
import { AgentError } from '../errors.ts';
import { asOnlyAgent } from '../lock.ts';
import { CommandSlots } from '../slots/command.ts';
import { GptSlots } from '../slots/gpt.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openContext } from './context.ts';

type Options = AgentOptions & { readonly version: string };

export function agentSlotsAdoptCommand(io: Io): Command {
  return new Command('adopt')
    .description('after the state was lost: check that the running slot is a signed release')
    .addOption(configOption())
    .requiredOption('--version <version>', 'the release that runs')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent slots adopt --version 1.4.0')
    .action((options: Options) => adoptRunning(io, options));
}

async function adoptRunning(io: Io, options: Options): Promise<void> {
  const context = await openContext(io, options);
  const { slots } = context;
  if (!(slots instanceof GptSlots || slots instanceof CommandSlots)) {
    throw new AgentError(
      'agent/config',
      `slots.kind must be gpt or command to adopt what runs, got ${context.config.slots.kind}`,
    );
  }
  const { version, json } = options;
  await asOnlyAgent(context.config.stateFolder, () => adopt(context, slots, version));
  const said = `the running slot holds release ${version}`;
  io.stdout.write(`${json === true ? JSON.stringify({ version }) : said}\n`);
}
