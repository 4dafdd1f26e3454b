import type { Io } from '../adapters/terminal/io.ts';
import { NO_RULES } from '../core/fleet/rules.ts';
import type { FleetRules } from '../core/fleet/rules.ts';
import { fleetRecordSchema } from '../core/fleet-view.ts';
import { readPolicy } from '../core/wave-file.ts';
import { callServer } from './control/call.ts';
import type { ServerTarget } from './control/call.ts';
import { readFleetOption } from './fleet-file.ts';
import { realFleet } from './real-fleet.ts';
import { serverTarget } from './server-target.ts';
import { simulatedFleet } from './simulated-fleet.ts';
import type { Fleet, LabelSpread, Portion } from './simulated-fleet.ts';
import { instantOption, rangeOption, readOptionFile, UsageError } from './usage.ts';

/** Which fleet a simulation is about: the one that a server knows, or one that is made up. */
export type FleetChoice = {
  readonly policy: string;
  readonly startAt?: string;
  readonly server?: string;
  readonly variant?: string;
  readonly arch?: string;
  readonly version?: string;
  readonly hosts?: string;
  readonly fleet?: string;
  readonly share?: readonly string[];
  readonly spread?: readonly string[];
};

const MOST_HOSTS = 10_000_000;

/** Throws UsageError for what is missing, does not fit together, or makes no sense. */
export async function chosenFleet(io: Io, options: FleetChoice): Promise<Fleet> {
  const startAt =
    options.startAt === undefined ? io.now() : instantOption('--start-at', options.startAt);
  const policy = readPolicy(await readOptionFile(io, '--policy', options.policy), startAt);
  const { hosts: count } = options;
  if (count === undefined) {
    const release = releaseOption(options);
    const target = await serverTarget(io, options);
    return realFleet({
      ...{ target, policy, startAt, release },
      rules: await rulesOf(io, options, target),
    });
  }
  refuseRealOnes(options);
  const hosts = rangeOption('--hosts', count, { from: 1, to: MOST_HOSTS });
  // What the environment names is not asked for: a fleet that is made up needs no server.
  const target = options.server === undefined ? null : await serverTarget(io, options);
  const rules = await rulesOf(io, options, target);
  return simulatedFleet({
    ...{ policy, hosts, startAt, rules },
    portions: portionsOf(options.share ?? [], rules, hosts),
    spreads: (options.spread ?? []).map(spreadOption),
  });
}

async function rulesOf(
  io: Io,
  { fleet }: FleetChoice,
  target: ServerTarget | null,
): Promise<FleetRules> {
  if (fleet !== undefined) return readFleetOption(io, '--fleet', fleet);
  if (target === null) return NO_RULES;
  return (await callServer(target, { method: 'GET', path: 'fleet' }, fleetRecordSchema)).rules;
}

function releaseOption({ variant, arch, version, share, spread }: FleetChoice) {
  if (variant === undefined || arch === undefined || version === undefined) {
    throw new UsageError(
      'usage/option',
      'give --hosts <number>, or the release for the real hosts: --variant, --arch and --version',
    );
  }
  if (share !== undefined || spread !== undefined) {
    throw new UsageError('usage/option', '--share and --spread need --hosts: real hosts say it');
  }
  return { variant, arch, version };
}

function refuseRealOnes({ variant, arch, version }: FleetChoice): void {
  if ((variant ?? arch ?? version) === undefined) return;
  throw new UsageError(
    'usage/option',
    '--variant, --arch and --version are of the real hosts: give them without --hosts',
  );
}

function portionsOf(
  texts: readonly string[],
  { groups }: FleetRules,
  hosts: number,
): readonly Portion[] {
  const names = groups.map(({ name }) => name);
  if (texts.length === 0 && names.length > 0) {
    throw new UsageError('usage/option', 'say with --share how many hosts each group has', {
      hints: [`--share ${names[0]}=100`, `groups: ${names.join(', ')}`],
    });
  }
  const shares = texts.map((text) => shareOption(text, names));
  const twice = shares.find(({ group }, index) =>
    shares.slice(0, index).some((other) => other.group === group),
  );
  if (twice !== undefined) {
    throw new UsageError('usage/option', `--share: ${twice.group} has one share, got two`);
  }
  if (shares.reduce((sum, { percent }) => sum + percent, 0) > 100) {
    throw new UsageError('usage/option', '--share must be at most 100 percent together');
  }
  return shares.map(({ group, percent }) => ({
    group,
    hosts: Math.floor((hosts * percent) / 100),
  }));
}

function shareOption(text: string, names: readonly string[]) {
  const [, group = '', number = ''] = /^(.+)=(\d{1,3}(?:\.\d{1,6})?)%?$/.exec(text) ?? [];
  if (number === '' || Number(number) > 100) {
    throw new UsageError('usage/option', `--share must be like prod=80, got '${text}'`);
  }
  if (!names.includes(group)) {
    throw new UsageError('usage/option', `--share: the rules have no group '${group}'`, {
      hints: [names.length === 0 ? 'give the rules with --fleet' : `groups: ${names.join(', ')}`],
    });
  }
  return { group, percent: Number(number) };
}

function spreadOption(text: string): LabelSpread {
  const [, label = '', number = ''] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (label === '') {
    throw new UsageError('usage/option', `--spread must be like zone=3, got '${text}'`);
  }
  return { label, values: rangeOption(`--spread ${label}`, number, { from: 1, to: 1_000_000 }) };
}
