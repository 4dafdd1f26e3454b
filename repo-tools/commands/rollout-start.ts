import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { instantOption, readPolicyOption } from '../usage.ts';
import { addChangeOptions, changeRollout } from './rollout-target.ts';
import type { TargetOptions } from './rollout-target.ts';

type Options = TargetOptions & {
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly policy?: string;
  readonly startAt?: string;
  readonly shuffleSeeds?: boolean;
  readonly reason?: string;
};

export function rolloutStartCommand(io: Io): Command {
  const command = new Command('start')
    .description('give a published release to the fleet')
    .requiredOption('--variant <name>', 'variant of the release')
    .requiredOption('--arch <name>', 'arch of the release')
    .requiredOption('--version <version>', 'version of the release')
    .option('--policy <file>', 'wave policy in TOML; without it everyone at once')
    .option('--start-at <time>', 'zero of the waves, RFC 3339 (default: now)')
    .option('--shuffle-seeds', 'give every host another place than in earlier rollouts')
    .option('--reason <text>', 'why, for the history')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate rollout start --server http://127.0.0.1:8080 --variant aws-k8s-1.32 --arch x86_64 \\\n' +
        '    --version 1.1.0 --policy waves.toml',
    )
    .action((options: Options) => start(io, options));
  return addChangeOptions(command);
}

async function start(io: Io, options: Options): Promise<void> {
  const { variant, arch, version } = options;
  const startAt =
    options.startAt === undefined ? null : instantOption('--start-at', options.startAt);
  const policy = await readPolicyOption(io, options.policy);
  const seeds = options.shuffleSeeds === true ? 'shuffled' : 'stable';
  const reason = options.reason ?? null;
  await changeRollout(io, options, {
    verb: (control) => control.start({ variant, arch, version, policy, startAt, seeds, reason }),
    lines: (view) => [view.id],
  });
}
