import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { ExpectedError } from '../../core/errors.ts';
import type { GroupList, GroupView } from '../../core/group-view.ts';
import { print } from '../usage.ts';
import { groupLines } from './group-text.ts';
import { addTargetOptions, openControl } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';

/** The rules of the fleet have no such group. */
class GroupError extends ExpectedError<'group/not-there'> {}

export function groupShowCommand(io: Io): Command {
  const command = new Command('show')
    .description('a group of the fleet: its rules, its hosts by version, and what is under way')
    .argument('<name>', 'name of the group')
    .addHelpText('after', '\nExample:\n  tidegate group show prod --server http://127.0.0.1:8080')
    .action(async (name: string, options: TargetOptions) => {
      await using control = await openControl(io, options, 'look');
      const group = find(await control.groups(), name);
      print(io, options.json, group, groupLines(group));
    });
  return addTargetOptions(command);
}

function find({ groups }: GroupList, name: string): GroupView {
  const group = groups.find((one) => one.name === name);
  if (group !== undefined) return group;
  const names = groups.flatMap((one) => one.name ?? []);
  throw new GroupError('group/not-there', `the fleet has no group ${name}`, {
    hints: [names.length === 0 ? 'it has none' : `groups: ${names.join(', ')}`],
  });
}
