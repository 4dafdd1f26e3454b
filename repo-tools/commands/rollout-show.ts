import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { print } from '../usage.ts';
import { addTargetOptions, openControl } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';
import { rolloutLines } from './rollout-text.ts';

export function rolloutShowCommand(io: Io): Command {
  const command = new Command('show')
    .description('one rollout: its tide, its hosts, its history, and what can be done with it')
    .argument('<id>', 'id of the rollout')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate rollout show 2jq9fqxk1c --server http://127.0.0.1:8080',
    )
    .action(async (id: string, options: TargetOptions) => {
      await using control = await openControl(io, options, 'look');
      const view = await control.show(id);
      print(io, options.json, view, rolloutLines(view));
    });
  return addTargetOptions(command);
}
