import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { print } from '../usage.ts';
import { groupLine } from './group-text.ts';
import { addTargetOptions, openControl } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';

export function groupListCommand(io: Io): Command {
  const command = new Command('list')
    .description(
      'the groups of the fleet, in the order in which hosts are matched: hosts, versions, rules',
    )
    .addHelpText('after', '\nExample:\n  tidegate group list --server http://127.0.0.1:8080')
    .action(async (options: TargetOptions) => {
      await using control = await openControl(io, options, 'look');
      const list = await control.groups();
      print(io, options.json, list, list.groups.map(groupLine));
    });
  return addTargetOptions(command);
}
