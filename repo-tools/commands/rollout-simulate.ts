import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatDuration } from '../../core/duration.ts';
import { SEED_COUNT } from '../../core/seed.ts';
import { simulate } from '../../core/simulation.ts';
import type { Sample, Simulation, SimulationOptions } from '../../core/simulation.ts';
import { readPolicy } from '../../core/wave-file.ts';
import { numbersFrom, simulatedFleet } from '../simulated-fleet.ts';
import { durationOption, instantOption, print, readOptionFile, UsageError } from '../usage.ts';
import { bar } from './bar.ts';

type Options = {
  readonly policy: string;
  readonly hosts: string;
  readonly startAt?: string;
  readonly poll: string;
  readonly install: string;
  readonly failing: string;
  readonly silent: string;
  readonly approveAfter?: string;
  readonly limit: string;
  readonly every: string;
  readonly seed: string;
  readonly json?: boolean;
};

const MOST_HOSTS = 10_000_000;

export function rolloutSimulateCommand(io: Io): Command {
  return new Command('simulate')
    .description(
      'a policy on a fleet in virtual time, with failures: how it rises, and when it would halt',
    )
    .requiredOption('--policy <file>', 'wave policy in TOML')
    .requiredOption('--hosts <number>', 'how many hosts, with seeds as hosts have them')
    .option('--start-at <time>', 'zero of the waves, RFC 3339 (default: now)')
    .option('--poll <duration>', 'how often a host asks', '15 minutes')
    .option('--install <duration>', 'from the answer to the outcome', '5 minutes')
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
      '\nExample:\n  tidegate rollout simulate --policy waves.toml --hosts 100000 --failing 2',
    )
    .action((options: Options) => run(io, options));
}

async function run(io: Io, options: Options): Promise<void> {
  const simulated = await optionsOf(io, options);
  const startedMs = performance.now();
  const result = simulate(simulated);
  const seconds = Math.round(performance.now() - startedMs) / 1000;
  const summary = {
    ...{ state: result.rollout.state, endedAtMs: result.endedAtMs, sentBack: result.sentBack },
    largestStep: result.largestStep,
    history: result.rollout.history.slice(1),
    ...{ hosts: simulated.hosts.length, seconds },
    peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  if (options.json === true) {
    for (const sample of result.samples) print(io, true, sample, []);
  }
  print(io, options.json, summary, [
    ...result.samples.map((sample) => lineOf(sample)),
    ...wordsOf(result),
  ]);
}

async function optionsOf(io: Io, options: Options): Promise<SimulationOptions> {
  const startAt =
    options.startAt === undefined ? io.now() : instantOption('--start-at', options.startAt);
  const policy = readPolicy(await readOptionFile(io, '--policy', options.policy), startAt);
  const hosts = numberOption('--hosts', options.hosts, { from: 1, to: MOST_HOSTS });
  const failing = percentOption('--failing', options.failing);
  const silent = percentOption('--silent', options.silent);
  if (failing + silent > 1) {
    throw new UsageError('usage/option', '--failing and --silent must be at most 100 together');
  }
  const { approveAfter } = options;
  return {
    ...simulatedFleet({ policy, hosts, startAt }),
    pollMs: lastingOption('--poll', options.poll),
    installMs: durationOption('--install', options.install),
    failing,
    silent,
    approveAfterMs:
      approveAfter === undefined ? null : durationOption('--approve-after', approveAfter),
    limitMs: lastingOption('--limit', options.limit),
    sampleMs: lastingOption('--every', options.every),
    random: numbersFrom(numberOption('--seed', options.seed, { from: 0, to: 2 ** 31 - 1 })),
  };
}

function lineOf({ atMs, tide, updated, failed, overdue, offered, state }: Sample): string {
  const time = formatDuration(atMs).padStart(12);
  const percent = `${((tide * 100) / SEED_COUNT).toFixed(1)} %`.padStart(8);
  const counts = `${offered} under way, ${updated} updated, ${failed + overdue} failed`;
  const standing = state === 'running' ? '' : `, ${state}`;
  return `${time} ${percent}  ${bar(tide).padEnd(40)}  ${counts}${standing}`;
}

function wordsOf({ rollout, largestStep, endedAtMs, sentBack }: Simulation): readonly string[] {
  const beginMs = rollout.history[0]?.at.getTime() ?? 0;
  const lasting = (ms: number) => formatDuration(Math.max(1, Math.round(ms / 60_000)) * 60_000);
  return [
    ...rollout.history.slice(1).map(({ verb, at, by, reason }) => {
      const why = reason === null ? '' : `: ${reason}`;
      return `${lasting(at.getTime() - beginMs)}: ${verb} by ${by}${why}`;
    }),
    ...(sentBack === 0 ? [] : [`${sentBack} hosts went back`]),
    `largest step: ${largestStep.hosts} hosts became eligible in one instant, at ${lasting(largestStep.atMs)}`,
    `it ends ${rollout.state} after ${lasting(endedAtMs)}`,
  ];
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

function numberOption(
  name: string,
  text: string,
  { from, to }: { readonly from: number; readonly to: number },
): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= from && number <= to) return number;
  throw new UsageError(
    'usage/option',
    `${name} must be a whole number from ${from} to ${to}, got '${text}'`,
  );
}
