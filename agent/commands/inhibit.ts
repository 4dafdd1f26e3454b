import { Command, Option } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { parseDuration } from '../../core/duration.ts';
import { formatInstant } from '../../core/instant.ts';
import { AgentError } from '../errors.ts';
import { inhibit, INHIBITED, inhibitorsOf, uninhibit } from '../inhibitors.ts';
import type { Inhibited } from '../inhibitors.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openContext } from './context.ts';

type AddOptions = AgentOptions & {
  readonly for: string;
  readonly why: string;
  readonly what?: readonly Inhibited[];
};

export function agentInhibitAddCommand(io: Io): Command {
  return commandOf('add', 'keep the agent from going on, for a time')
    .argument('<name>', 'of who does it; it replaces another of that name')
    .requiredOption('--for <duration>', "how long, like '2 hours'")
    .requiredOption('--why <text>', 'the reason, for people')
    .addOption(
      new Option('--what <steps...>', 'which steps (default: all)').choices([...INHIBITED]),
    )
    .addHelpText(
      'after',
      "\nExample:\n  tidegate agent inhibit add backup --for '2 hours' --why 'nightly backup'",
    )
    .action(async (name: string, options: AddOptions) => {
      const { config, now } = await openContext(io, options);
      const until = new Date(now().getTime() + parseDuration(options.for));
      const inhibitor = { name, why: options.why, what: options.what ?? INHIBITED, until };
      await inhibit(config.inhibitorFolder, inhibitor);
      say(io, options, inhibitor, `${name} holds the agent back until ${formatInstant(until)}`);
    });
}

export function agentInhibitRemoveCommand(io: Io): Command {
  return commandOf('remove', 'let the agent go on')
    .argument('<name>', 'of the inhibitor')
    .addHelpText('after', '\nExample:\n  tidegate agent inhibit remove backup')
    .action(async (name: string, options: AgentOptions) => {
      const { config } = await openContext(io, options);
      const wasThere = await uninhibit(config.inhibitorFolder, name);
      if (!wasThere) throw new AgentError('agent/not-there', `there is no inhibitor ${name}`);
      say(io, options, { name }, `${name} holds the agent back no more`);
    });
}

export function agentInhibitListCommand(io: Io): Command {
  return commandOf('list', 'who keeps the agent from going on, until when and why')
    .addHelpText('after', '\nExample:\n  tidegate agent inhibit list')
    .action(async (options: AgentOptions) => {
      const { config, now } = await openContext(io, options);
      const inhibitors = await inhibitorsOf(config.inhibitorFolder, now());
      const lines = inhibitors.map(
        ({ name, what, until, why }) =>
          `${name}: ${what.join(', ')} until ${formatInstant(until)}: ${why}`,
      );
      say(io, options, { inhibitors }, lines.length === 0 ? 'nobody' : lines.join('\n'));
    });
}

function commandOf(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(configOption())
    .option('--json', 'print the result as one line of JSON');
}

function say(io: Io, { json }: AgentOptions, value: unknown, text: string): void {
  io.stdout.write(`${json === true ? JSON.stringify(value) : text}\n`);
}
