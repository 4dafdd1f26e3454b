import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { FleetRules } from '../core/fleet/rules.ts';
import type { ReleaseRef, Rollout } from '../core/rollout.ts';
import { seedOfHost } from '../core/seed.ts';
import type { SimulatedHost } from '../core/simulated-hosts.ts';
import type { SimulationOptions } from '../core/simulation.ts';
import { applyVerb } from '../core/verb.ts';
import type { Policy } from '../core/wave.ts';

/** What is simulated: a rollout on a fleet. */
export type Fleet = Pick<
  SimulationOptions,
  'rollout' | 'hosts' | 'neighbours' | 'rules' | 'wayBack'
>;

/** A group and how many hosts of a fleet that is made up are in it. */
export type Portion = { readonly group: string; readonly hosts: number };

/** How many values a label has among the hosts of such a fleet. */
export type LabelSpread = { readonly label: string; readonly values: number };

/** What all hosts of such a fleet run at the beginning, unless the policy sends them back somewhere else. */
const OLDER = '1.0.0';
const NEWER = '2.0.0';

/**
 * A rollout of this policy to so many hosts that run an older release, with seeds as hosts have them. The rules are taken as if
 * every group were matched by what a host declares: a host that is made up has no other place in them.
 */
export function simulatedFleet({
  policy,
  hosts,
  startAt,
  rules,
  portions,
  spreads,
}: {
  readonly policy: Policy;
  readonly hosts: number;
  readonly startAt: Date;
  readonly rules: FleetRules;
  readonly portions: readonly Portion[];
  readonly spreads: readonly LabelSpread[];
}): Fleet {
  const older = policy.halt?.rollBackTo ?? null;
  const release = releaseOf(NEWER, older === null ? [] : [older]);
  const labelsOf = spreadOf(spreads);
  const groups = portions.flatMap(({ group, hosts: count }) =>
    Array.from({ length: count }, () => group),
  );
  return {
    rollout: startedAt(startAt, policy, release),
    hosts: Array.from({ length: hosts }, (_, index): SimulatedHost => {
      const id = `host-${index}`;
      const group = groups[index] ?? null;
      return { id, seed: seedOfHost(id), version: OLDER, group, labels: labelsOf(index) };
    }),
    neighbours: [],
    rules: {
      ...rules,
      groups: rules.groups.map((group) => ({
        ...group,
        match: { group: group.name, labels: null, hosts: null },
      })),
    },
    wayBack: older === null ? null : releaseOf(older, []),
  };
}

/** The rollout that is simulated. Throws RolloutError where nobody could start one with this policy. */
export function startedAt(startAt: Date, policy: Policy, release: ReleaseRef): Rollout {
  const [rollout] = applyVerb([], {
    ...{ kind: 'start', id: 'start', rolloutId: 'simulated', at: startAt, startAt },
    ...{ by: 'operator', reason: null, seeds: 'stable', policy, release },
  });
  if (rollout === undefined) throw new Error('a start makes a rollout');
  return rollout;
}

/** Numbers 0 <= n < 1, the same ones for the same seed. */
export function numbersFrom(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  return () => uniformFloat64(generator);
}

/** Value after value; each label goes round by itself. Hosts with the same labels share one object. */
function spreadOf(spreads: readonly LabelSpread[]) {
  const known = new Map<string, Readonly<Record<string, string>>>();
  return (index: number): Readonly<Record<string, string>> => {
    const values = spreads.map(({ label, values: count }) => [label, `${label}-${index % count}`]);
    const name = values.join('\n');
    const labels = known.get(name) ?? Object.fromEntries(values);
    known.set(name, labels);
    return labels;
  };
}

function releaseOf(version: string, rollbackTo: readonly string[]): ReleaseRef {
  return {
    ...{ variant: 'simulated', arch: 'x86_64', version, document: `${version}-release.json` },
    ...{ images: {}, minimumFrom: null, rollbackTo, migrations: [] },
  };
}
