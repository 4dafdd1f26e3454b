import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { tidePoints } from '../../core/compile.ts';
import { curveOf, clockFor } from '../../core/curve.ts';
import { formatInstant } from '../../core/instant.ts';
import { isSeed, SEED_COUNT } from '../../core/seed.ts';
import type { Policy } from '../../core/wave.ts';
import { readPolicy } from '../../core/wave-file.ts';
import { bar } from './bar.ts';
import { instantOption, print, readOptionFile, UsageError } from '../usage.ts';

type Options = {
  readonly policy: string;
  readonly startAt: string;
  readonly seed?: string;
  readonly json?: boolean;
};

export function rolloutPreviewCommand(io: Io): Command {
  return new Command('preview')
    .description('the tide that a policy would make if nobody intervened, gates open')
    .requiredOption('--policy <file>', 'wave policy in TOML')
    .requiredOption('--start-at <time>', 'zero of the waves, RFC 3339')
    .option('--seed <number>', 'when this seed, 0..2047, would be let through')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate rollout preview --policy waves.toml --start-at 2026-03-01T12:00:00Z --seed 1024',
    )
    .action((options: Options) => preview(io, options));
}

async function preview(io: Io, options: Options): Promise<void> {
  const startAt = instantOption('--start-at', options.startAt);
  const seed = options.seed === undefined ? null : seedOption(options.seed);
  const text = await readOptionFile(io, '--policy', options.policy);
  const policy = readPolicy(text, startAt);
  if (seed === null) printPoints(io, options, { policy, startAt });
  else printSeed(io, options, { policy, startAt, seed });
}

type Preview = { readonly policy: Policy; readonly startAt: Date };

function printPoints(io: Io, { json }: Options, { policy, startAt }: Preview): void {
  const opened = policy.waves.length;
  const points = tidePoints({
    policy,
    approvedOpenings: opened,
    passedOpenings: opened,
    clockMs: 0,
    runningSince: startAt,
  });
  const lines = points.map(([at, seeds]) =>
    `${at}  ${String(seeds).padStart(4)} of ${SEED_COUNT}  ${bar(seeds)}`.trimEnd(),
  );
  print(io, json, { points }, lines);
}

function printSeed(
  io: Io,
  { json }: Options,
  { policy, startAt, seed }: Preview & { seed: number },
): void {
  const clockMs = clockFor(curveOf(policy), seed);
  const opensAt = clockMs === null ? null : formatInstant(new Date(startAt.getTime() + clockMs));
  print(io, json, { opensAt }, [opensAt ?? `never: the policy ends below seed ${seed}`]);
}

function seedOption(text: string): number {
  const seed = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!isSeed(seed)) {
    throw new UsageError(
      'usage/option',
      `--seed must be a whole number from 0 to 2047, got '${text}'`,
    );
  }
  return seed;
}
