import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { whyLines } from '../../adapters/terminal/why-lines.ts';
import { isSeed, seedOfHost } from '../../core/seed.ts';
import { isVersion } from '../../core/version.ts';
import type { WhyQuestion } from '../control/control.ts';
import { print, UsageError } from '../usage.ts';
import { addTargetOptions, openControl } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';

type Options = TargetOptions & {
  readonly variant?: string;
  readonly arch?: string;
  readonly runs?: string;
  readonly seed?: string;
  readonly group?: string;
  readonly label?: readonly string[];
};

export function rolloutWhyCommand(io: Io): Command {
  const command = new Command('why')
    .description('every rule between a host and its next release, and which one holds it')
    .argument('<host>', 'id of the host')
    .option('--variant <name>', 'with --storage, which knows no hosts: what the host is')
    .option('--arch <name>', 'with --storage: its CPU')
    .option('--runs <version>', 'with --storage: the release it runs')
    .option(
      '--seed <number>',
      'with --storage: its place in the queue, unless it follows from its id',
    )
    .option('--group <name>', 'with --storage: the group it declares')
    .option('--label <key=value...>', 'with --storage: its labels')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate rollout why host-17 --server http://127.0.0.1:8080',
    )
    .action(async (id: string, options: Options) => {
      const question = options.storage === undefined ? { id, host: null } : described(id, options);
      await using control = await openControl(io, options, 'look');
      const why = await control.why(question);
      print(io, options.json, why, whyLines(why));
    });
  return addTargetOptions(command);
}

function described(id: string, options: Options): WhyQuestion {
  const { variant, arch, runs, group = null, label = [] } = options;
  if (variant === undefined || arch === undefined || runs === undefined || !isVersion(runs)) {
    throw new UsageError(
      'usage/option',
      '--storage knows no hosts: give --variant, --arch and --runs <version>',
    );
  }
  const seed = options.seed === undefined ? seedOfHost(id) : Number(options.seed);
  if (!isSeed(seed)) {
    throw new UsageError(
      'usage/option',
      `--seed must be a whole number from 0 to 2047, got '${options.seed}'`,
    );
  }
  const labels = Object.fromEntries(label.map(labelOption));
  return { id, host: { id, variant, arch, version: runs, seed, group, labels } };
}

function labelOption(text: string): readonly [string, string] {
  const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new UsageError('usage/option', `--label must be like zone=a, got '${text}'`);
  }
  return [key, value];
}
