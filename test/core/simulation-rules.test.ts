import { describe, expect, it } from '@jest/globals';
import { decide } from '../../core/decide.ts';
import { limitsOf } from '../../core/fleet/limit.ts';
import { readRules } from '../../core/fleet/read-rules.ts';
import { NO_RULES } from '../../core/fleet/rules.ts';
import type { FleetRules } from '../../core/fleet/rules.ts';
import { seedOfHost } from '../../core/seed.ts';
import { simulate } from '../../core/simulation.ts';
import type { Simulation, SimulationOptions } from '../../core/simulation.ts';
import { EVERYONE_AT_ONCE } from '../../core/wave.ts';
import { numbersFrom } from '../../repo-tools/simulated-fleet.ts';
import {
  after,
  DAY_MS,
  DEFAULT_WAVES,
  HOUR_MS,
  policyOf,
  releaseOf,
  startedRollout,
} from '../support/rollouts.ts';

const V10 = releaseOf('1.0.0');
const V11 = releaseOf('1.1.0', { rollbackTo: ['1.0.0'], minimumFrom: '0.9.0' });
const MINUTE_MS = 60_000;
const POLL_MS = 15 * MINUTE_MS;
/** No divisor of the interval, so that no outcome falls together with a poll. */
const INSTALL_MS = 7 * MINUTE_MS + 1;

/** A tenth of the hosts are canaries, the others are in prod; each in one of three zones. */
function hosts(count: number): SimulationOptions['hosts'] {
  return Array.from({ length: count }, (_, index) => {
    const id = `host-${index}`;
    const labels = { zone: `z${index % 3}` };
    const group = index % 10 === 0 ? 'canary' : 'prod';
    return { id, seed: seedOfHost(id), version: '1.0.0', group, labels };
  });
}

function run(rules: FleetRules, change: Partial<SimulationOptions> = {}): Simulation {
  return simulate({
    rollout: startedRollout(V11, { policy: EVERYONE_AT_ONCE }),
    ...{ hosts: hosts(200), rules, neighbours: [], leaseMs: HOUR_MS },
    ...{ pollMs: POLL_MS, installMs: INSTALL_MS, failing: 0, silent: 0 },
    ...{ approveAfterMs: null, wayBack: V10, limitMs: 60 * DAY_MS, sampleMs: MINUTE_MS },
    random: numbersFrom(1),
    ...change,
  });
}

/** How many hosts are updated at each of these times, in a fleet whose hosts all poll on and on. */
function pollingOn(
  { hosts: all, rollout, rules }: Pick<SimulationOptions, 'hosts' | 'rollout' | 'rules'>,
  times: readonly number[],
): readonly number[] {
  const random = numbersFrom(1);
  const phases = all.map(() => Math.floor(random() * POLL_MS));
  const order = phases
    .map((phase, host) => ({ phase, host }))
    .toSorted((a, b) => a.phase - b.phase);
  const keysOf = all.map((host) => limitsOf(host, rules).map(({ key }) => key));
  const members = (key: string) => keysOf.filter((keys) => keys.includes(key)).length;
  const ends = new Map<number, number>();
  const underWay = (host: number, atMs: number) => {
    const endMs = ends.get(host);
    return endMs !== undefined && endMs > atMs;
  };
  const lastMs = times.at(-1) ?? 0;
  for (let lapMs = 0; lapMs <= lastMs; lapMs += POLL_MS) {
    for (const { phase, host } of order) {
      const self = all[host];
      if (self === undefined || ends.has(host)) continue;
      const atMs = lapMs + phase;
      const leases = (key: string) => ({
        inUse: keysOf.filter((keys, other) => keys.includes(key) && underWay(other, atMs)).length,
        members: members(key),
      });
      const told = decide(
        { ...self, variant: V11.variant, arch: V11.arch },
        { rollouts: [rollout], rules, leases },
        after(atMs),
      );
      if (told.decision === 'update') ends.set(host, atMs + INSTALL_MS);
    }
  }
  return times.map((time) => [...ends.values()].filter((endMs) => endMs < time).length);
}

const ORDERED = readRules({
  groups: [
    { name: 'canary', first: true },
    {
      ...{ name: 'prod', delay: '1 day' },
      windows: [{ days: ['mon', 'tue', 'wed'], from: '22:00', to: '04:00', time_zone: 'UTC' }],
    },
  ],
  freezes: [{ from: '2026-03-03T00:00:00Z', to: '2026-03-03T23:00:00Z', reason: 'r' }],
});

const LIMITED = readRules({
  groups: [
    {
      name: 'prod',
      concurrency: [{ limit: 7 }, { limit: '5 %', per: 'zone' }],
      windows: [{ days: ['sun', 'mon'], from: '11:00', to: '14:00', time_zone: 'UTC' }],
    },
    { name: 'canary', concurrency: [{ limit: 1 }] },
  ],
});

describe('simulate, with rules of the fleet', () => {
  it.each([
    { case: 'an order, windows and a freeze', rules: ORDERED, policy: DEFAULT_WAVES },
    {
      case: 'limits and windows',
      rules: LIMITED,
      policy: policyOf([
        [0, 40],
        [3 * HOUR_MS, 100],
      ]),
    },
  ])('is what a fleet does whose hosts all poll on and on: $case', ({ rules, policy }) => {
    const rollout = startedRollout(V11, { policy });
    const all = hosts(90);
    const { samples } = run(rules, { rollout, hosts: all, sampleMs: 37 * MINUTE_MS });
    const expected = pollingOn(
      { hosts: all, rollout, rules },
      samples.map(({ atMs }) => atMs),
    );
    expect(samples.map(({ updated }) => updated)).toEqual(expected);
    expect(expected.at(-1)).toBe(90);
  });

  it('never has more hosts under way than a limit allows, of the group and of each zone', () => {
    const { samples, groups } = run(LIMITED);
    const most = (group: string) =>
      Math.max(
        ...samples.map(({ groups: all }) => all.find((one) => one.group === group)?.offered ?? 0),
      );
    // 5 % of the 60 hosts of prod in a zone are 3, and 7 of all are fewer than 3 x 3.
    expect([most('prod'), most('canary')]).toEqual([7, 1]);
    expect(groups).toMatchObject([
      { group: 'prod', hosts: 180, updated: 180 },
      { group: 'canary', hosts: 20, updated: 20 },
    ]);
  });

  it('lets the canaries go first, and tells the largest step of each group', () => {
    const { groups, samples } = run(ORDERED, {
      rollout: startedRollout(V11, { policy: DEFAULT_WAVES }),
      sampleMs: HOUR_MS,
    });
    expect(groups[0]).toMatchObject({
      group: 'canary',
      largestStep: { hosts: 20, atMs: HOUR_MS },
    });
    expect(samples[2]?.groups).toMatchObject([
      { group: 'canary', updated: 20 },
      { group: 'prod', updated: 0, offered: 0 },
    ]);
    // The start is on a Sunday at noon: prod begins on Monday at 22:00, with all whose turn has come by then.
    expect(samples.find(({ groups: all }) => (all[1]?.updated ?? 0) > 0)?.atMs).toBe(35 * HOUR_MS);
  });

  it('lets a silent host hold its lease until it ends, and no longer', () => {
    const rules = readRules({ groups: [{ name: 'prod', concurrency: [{ limit: 1 }] }] });
    const few = hosts(40)
      .filter(({ group }) => group === 'prod')
      .slice(0, 3);
    const { samples } = run(rules, { hosts: few, silent: 1, leaseMs: 2 * HOUR_MS });
    const started = [1, 2, 3].map(
      (count) => samples.find(({ offered }) => offered === count)?.atMs ?? Number.NaN,
    );
    const gaps = started.slice(1).map((at, index) => at - (started[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(2 * HOUR_MS);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * HOUR_MS + POLL_MS + MINUTE_MS);
  });

  it('counts the hosts of other platforms where a limit is a share', () => {
    const rules = readRules({ groups: [{ name: 'prod', concurrency: [{ limit: '10 %' }] }] });
    const own = hosts(23).filter(({ group }) => group === 'prod');
    const most = (result: Simulation) => Math.max(...result.samples.map(({ offered }) => offered));
    expect(own).toHaveLength(20);
    expect(most(run(rules, { hosts: own }))).toBe(2);
    const neighbours = Array.from({ length: 30 }, (_, index) => ({
      id: `n-${index}`,
      group: 'prod',
    }));
    expect(most(run(rules, { hosts: own, neighbours }))).toBe(5);
  });

  it('says what holds those that are left, by group', () => {
    const rules = readRules({
      groups: [{ name: 'canary' }, { name: 'prod', versions: '<1.1.0' }],
      excludes: { 'host-0': 'waits for a disk' },
      pins: { 'host-10': '1.0.0', 'host-1': '1.1.0' },
      dead_ends: [{ versions: '0.9.5', reason: 'no way out' }],
    });
    const versions = ['0.9.5', '1.2.0', '0.8.0'];
    const all = hosts(50).map((host, index) => ({
      ...host,
      version: versions[index - 20] ?? '1.0.0',
    }));
    const { held, groups } = run(rules, { hosts: all });
    expect(groups).toMatchObject([
      { group: 'canary', updated: 2, held: { excluded: 1, locked: 1, 'dead-end': 1 } },
      { group: 'prod', updated: 1, held: { locked: 42, 'up-to-date': 1, barrier: 1 } },
    ]);
    expect(held).toEqual({ excluded: 1, locked: 43, 'dead-end': 1, 'up-to-date': 1, barrier: 1 });
  });

  it('sends hosts back under the same limits', () => {
    const rules = readRules({ groups: [{ name: 'prod', concurrency: [{ limit: 2 }] }] });
    const halt = { percentage: 50, minimum: 10, rollBackTo: '1.0.0' };
    const rollout = startedRollout(V11, { policy: { ...EVERYONE_AT_ONCE, halt } });
    const {
      groups,
      endedAtMs,
      rollout: left,
    } = run(rules, {
      ...{ rollout, hosts: hosts(40), failing: 0.55, random: numbersFrom(4) },
    });
    expect(left.state).toBe('rolled-back');
    const prod = groups.find(({ group }) => group === 'prod');
    expect(prod?.sentBack).toBe(prod?.updated);
    expect(prod?.sentBack).toBeGreaterThan(3);
    const backSince = Number(left.history.at(-1)?.at) - Number(left.history[0]?.at);
    expect(endedAtMs - backSince).toBeGreaterThan(((prod?.sentBack ?? 0) / 2) * INSTALL_MS);
  });

  it('is the same as without rules if they hold nobody', () => {
    const { groups: _, samples, ...rest } = run(readRules({ groups: [{ name: 'prod' }] }));
    const { groups: none, samples: bare, ...other } = run(NO_RULES);
    expect(none).toEqual([]);
    expect(rest).toEqual(other);
    expect(samples.map(({ updated }) => updated)).toEqual(bare.map(({ updated }) => updated));
  });
});
