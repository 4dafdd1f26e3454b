import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { groupToJson } from '../../core/fleet/write-rules.ts';
import { print } from '../usage.ts';
import { addTargetOptions, openControl } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';

export function groupListCommand(io: Io): Command {
  const command = new Command('list')
    .description('the groups of the fleet, in the order in which hosts are matched')
    .addHelpText('after', '\nExample:\n  tidegate group list --server http://127.0.0.1:8080')
    .action(async (options: TargetOptions) => {
      await using control = await openControl(io, options, 'look');
      const groups = (await control.fleet()).rules.groups.map(groupToJson);
      print(io, options.json, { groups }, groups.map(lineOf));
    });
  return addTargetOptions(command);
}

function lineOf({ name, ...rules }: ReturnType<typeof groupToJson>): string {
  const texts = Object.entries(rules).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  return [name, ...texts].join('  ');
}
