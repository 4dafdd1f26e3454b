import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatNanoseconds, parseNanoseconds } from '../../core/bottlerocket/nanoseconds.ts';
import { parseUpdateWaves, setWaves } from '../../core/bottlerocket/set-waves.ts';
import { instantOption, print, readOptionFile } from '../usage.ts';

type Options = { readonly policy: string; readonly startAt: string; readonly json?: boolean };

export function bottlerocketWavesCommand(io: Io): Command {
  return new Command('waves')
    .description("the waves that Bottlerocket's own pubsys would write for a policy")
    .requiredOption('--policy <file>', 'wave policy in TOML')
    .requiredOption('--start-at <time>', 'zero of the waves, RFC 3339')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate bottlerocket waves --policy waves.toml --start-at 2026-03-01T12:00:00Z',
    )
    .action((options: Options) => printWaves(io, options));
}

async function printWaves(io: Io, { policy, startAt, json }: Options): Promise<void> {
  instantOption('--start-at', startAt);
  const toml = await readOptionFile(io, '--policy', policy);
  const waves = setWaves(parseUpdateWaves(toml), parseNanoseconds(startAt)).map(
    ([bound, opensAt]) => [String(bound), formatNanoseconds(opensAt)] as const,
  );
  const lines = waves.map(([bound, opensAt]) => `${bound.padStart(4)}  ${opensAt}`);
  print(io, json, Object.fromEntries(waves), lines);
}
