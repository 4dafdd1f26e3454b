import { Command } from 'commander';
import { AskError } from '../../adapters/terminal/ask-secret.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { changeLine, diffRules } from '../../core/fleet/diff.ts';
import { readFleetOption } from '../fleet-file.ts';
import { print } from '../usage.ts';
import { addChangeOptions, openControl } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';

type Options = TargetOptions & {
  readonly file: string;
  readonly reason?: string;
  readonly yes?: boolean;
};

export function rolloutApplyCommand(io: Io): Command {
  const command = new Command('apply')
    .description('replace the rules of the fleet by those of a file')
    .requiredOption('-f, --file <file>', 'rules in TOML or YAML')
    .option('--reason <text>', 'why, for the history')
    .option('--yes', 'do not ask at a terminal')
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
  const replaces = await control.fleet();
  const changes = diffRules(replaces.rules, rules);
  const isApplied = !isDryRun && changes.length > 0;
  if (isApplied) {
    await confirmChanges(io, options, changes.map(changeLine));
    await control.applyFleet(rules, { replaces, reason: options.reason ?? null });
  }
  const count = `${changes.length} change${changes.length === 1 ? '' : 's'}`;
  const last =
    changes.length === 0 ? 'no change' : `${count} ${isApplied ? 'applied' : 'to apply'}`;
  print(io, options.json, { changes, applied: isApplied }, [...changes.map(changeLine), last]);
}

/** Rules may hold the whole fleet: a person sees what changes first. A script applies a file that somebody has looked at before. */
async function confirmChanges(
  { stderr, confirm }: Io,
  { yes = false }: Options,
  lines: readonly string[],
): Promise<void> {
  if (yes || confirm === undefined) return;
  for (const line of lines) stderr.write(`${line}\n`);
  if (await confirm('apply these rules to the fleet?')) return;
  throw new AskError('ask/refused', 'not confirmed: the rules stay as they are');
}
