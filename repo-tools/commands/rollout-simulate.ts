import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { simulate } from '../../core/simulation.ts';
import type { SimulationOptions } from '../../core/simulation.ts';
import { chosenFleet } from '../chosen-fleet.ts';
import type { FleetChoice } from '../chosen-fleet.ts';
import { numbersFrom } from '../simulated-fleet.ts';
import { durationOption, print, rangeOption, UsageError } from '../usage.ts';
import { simulationLines } from './simulation-text.ts';

type Options = FleetChoice & {
  readonly poll: string;
  readonly install: string;
  readonly leaseTimeout: string;
  readonly failing: string;
  readonly silent: string;
  readonly approveAfter?: string;
  readonly limit: string;
  readonly every: string;
  readonly seed: string;
  readonly json?: boolean;
};

export function rolloutSimulateCommand(io: Io): Command {
  return new Command('simulate')
    .description(
      'a policy on a fleet in virtual time, with failures: how it rises, and when it would halt',
    )
    .requiredOption('--policy <file>', 'wave policy in TOML')
    .option('--server <url>', 'the hosts and rules that this server knows (or TIDEGATE_SERVER)')
    .option('--variant <name>', 'with --server: of the release')
    .option('--arch <name>', 'with --server: of the release')
    .option('--version <version>', 'with --server: the published release that is rolled out')
    .option('--hosts <number>', 'so many hosts instead of real ones, with seeds as hosts have them')
    .option('--fleet <file>', 'rules in TOML or YAML, instead of those of the server')
    .option('--share <group=percent...>', 'with --hosts: how many of them are in a group')
    .option('--spread <label=number...>', 'with --hosts: the label has so many values')
    .option('--start-at <time>', 'zero of the waves, RFC 3339 (default: now)')
    .option('--poll <duration>', 'how often a host asks', '15 minutes')
    .option('--install <duration>', 'from the answer to the outcome', '5 minutes')
    .option('--lease-timeout <duration>', 'how long a silent host holds its lease', '1 hour')
    .option('--failing <percent>', 'share of hosts that report a failure', '0')
    .option('--silent <percent>', 'share of hosts that never report', '0')
    .option(
      '--approve-after <duration>',
      'a person approves at a gate after so long (default: nobody does)',
    )
    .option('--limit <duration>', 'end after so long', '90 days')
    .option('--every <duration>', 'one line of the chart', '6 hours')
    .option('--seed <number>', 'another number gives other failures at other hosts', '1')
    .option('--json', 'print one line of JSON for each moment and one for the result')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate rollout simulate --policy waves.toml --hosts 100000 --failing 2\n' +
        '  tidegate rollout simulate --policy waves.toml --variant aws-k8s-1.32 --arch x86_64 --version 1.1.0 \\\n' +
        '    --fleet fleet.toml --server http://127.0.0.1:8080',
    )
    .action((options: Options) => run(io, options));
}

async function run(io: Io, options: Options): Promise<void> {
  const simulated = await optionsOf(io, options);
  const startedMs = performance.now();
  const result = simulate(simulated);
  const seconds = Math.round(performance.now() - startedMs) / 1000;
  const { rollout, endedAtMs, sentBack, largestStep, held, groups } = result;
  const summary = {
    ...{ state: rollout.state, endedAtMs, sentBack, largestStep, held, groups },
    history: rollout.history.slice(1),
    ...{ hosts: simulated.hosts.length, seconds },
    peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  if (options.json === true) {
    for (const sample of result.samples) print(io, true, sample, []);
  }
  print(io, options.json, summary, simulationLines(result));
}

async function optionsOf(io: Io, options: Options): Promise<SimulationOptions> {
  const failing = percentOption('--failing', options.failing);
  const silent = percentOption('--silent', options.silent);
  if (failing + silent > 1) {
    throw new UsageError('usage/option', '--failing and --silent must be at most 100 together');
  }
  const { approveAfter } = options;
  return {
    pollMs: lastingOption('--poll', options.poll),
    installMs: durationOption('--install', options.install),
    leaseMs: lastingOption('--lease-timeout', options.leaseTimeout),
    failing,
    silent,
    approveAfterMs:
      approveAfter === undefined ? null : durationOption('--approve-after', approveAfter),
    limitMs: lastingOption('--limit', options.limit),
    sampleMs: lastingOption('--every', options.every),
    random: numbersFrom(rangeOption('--seed', options.seed, { from: 0, to: 2 ** 31 - 1 })),
    ...(await chosenFleet(io, options)),
  };
}

/** A duration above zero. */
function lastingOption(name: string, text: string): number {
  const ms = durationOption(name, text);
  if (ms > 0) return ms;
  throw new UsageError('usage/option', `${name} must be longer than nothing, got '${text}'`);
}

function percentOption(name: string, text: string): number {
  const percent = /^\d{1,3}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (percent <= 100) return percent / 100;
  throw new UsageError('usage/option', `${name} must be from 0 to 100 percent, got '${text}'`);
}
