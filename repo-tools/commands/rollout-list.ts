import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { print } from '../usage.ts';
import { addTargetOptions, openControl } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';
import { rolloutLine } from './rollout-text.ts';

export function rolloutListCommand(io: Io): Command {
  const command = new Command('list')
    .description('all rollouts, the oldest first')
    .addHelpText('after', '\nExample:\n  tidegate rollout list --storage file:repo')
    .action(async (options: TargetOptions) => {
      await using control = await openControl(io, options, 'look');
      const rollouts = await control.list();
      print(io, options.json, { rollouts }, rollouts.map(rolloutLine));
    });
  return addTargetOptions(command);
}
