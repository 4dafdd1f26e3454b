import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { changeLine, diffRules } from '../../core/fleet/diff.ts';
import { readFleetOption } from '../fleet-file.ts';
import { print } from '../usage.ts';
import { addChangeOptions, openControl } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';

type Options = TargetOptions & { readonly file: string; readonly reason?: string };

export function rolloutApplyCommand(io: Io): Command {
  const command = new Command('apply')
    .description('replace the rules of the fleet by those of a file')
    .requiredOption('-f, --file <file>', 'rules in TOML or YAML')
    .option('--reason <text>', 'why, for the history')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate rollout apply -f fleet.toml --dry-run --server http://127.0.0.1:8080',
    )
    .action((options: Options) => apply(io, options));
  return addChangeOptions(command);
}

async function apply(io: Io, { dryRun: isDryRun = false, ...options }: Options): Promise<void> {
  const rules = await readFleetOption(io, '--file', options.file);
  await using control = await openControl(io, options, isDryRun ? 'look' : 'change');
  const changes = diffRules((await control.fleet()).rules, rules);
  const isApplied = !isDryRun && changes.length > 0;
  if (isApplied) await control.applyFleet(rules, options.reason ?? null);
  const count = `${changes.length} change${changes.length === 1 ? '' : 's'}`;
  const last =
    changes.length === 0 ? 'no change' : `${count} ${isApplied ? 'applied' : 'to apply'}`;
  print(io, options.json, { changes, applied: isApplied }, [...changes.map(changeLine), last]);
}
