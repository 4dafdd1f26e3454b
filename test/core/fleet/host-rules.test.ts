import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decide } from '../../../core/decide.ts';
import type { Decision, Host } from '../../../core/decide.ts';
import { readRules } from '../../../core/fleet/read-rules.ts';
import type { LeaseCount } from '../../../core/fleet/limit.ts';
import type { FleetRules } from '../../../core/fleet/rules.ts';
import type { Rollout } from '../../../core/rollout.ts';
import {
  after,
  DAY_MS,
  DEFAULT_WAVES,
  gateOf,
  HOUR_MS,
  policies,
  policyOf,
  releaseOf,
  rollBackVerb,
  rolloutAfter,
  startedRollout,
  verbOf,
} from '../../support/rollouts.ts';

const V10 = releaseOf('1.0.0');
const V11 = releaseOf('1.1.0', { rollbackTo: ['1.0.0'] });
const PROD = { name: 'prod' };

function host(change: Partial<Host> = {}): Host {
  const platform = { variant: 'aws-k8s-1.32', arch: 'x86_64', version: '1.0.0' };
  return { ...platform, id: 'host-1', seed: 0, group: 'prod', labels: {}, ...change };
}

function answer(
  rules: FleetRules,
  {
    of = host(),
    rollouts = [startedRollout(V11)],
    now = after(0),
    leases,
  }: {
    readonly of?: Host;
    readonly rollouts?: readonly Rollout[];
    readonly now?: Date;
    readonly leases?: LeaseCount;
  } = {},
): Decision {
  return decide(of, { rollouts, rules, ...(leases === undefined ? {} : { leases }) }, now);
}

function summary(decision: Decision): string {
  return decision.decision === 'update'
    ? `${decision.direction} ${decision.release.version}`
    : decision.reason;
}

function ask(rules: unknown, options: Parameters<typeof answer>[1] = {}): string {
  return summary(answer(readRules(rules), options));
}

function rolledBack(): Rollout {
  const rollout = startedRollout(V11);
  return rolloutAfter(rollout, rollBackVerb(rollout, V10, after(1)));
}

describe('decide by the rules of the fleet', () => {
  it.each([
    {
      case: 'leaves an excluded host alone',
      rules: { excludes: { 'host-1': 'new disk' } },
      expected: 'excluded',
    },
    {
      case: 'lets hosts beside an excluded one through',
      rules: { excludes: { 'host-2': 'new disk' } },
      expected: 'forward 1.1.0',
    },
    {
      case: 'gives a pinned host its version',
      rules: { pins: { 'host-1': '1.1.0' } },
      expected: 'forward 1.1.0',
    },
    {
      case: 'keeps another version from a pinned host',
      rules: { pins: { 'host-1': '1.0.5' } },
      expected: 'locked',
    },
    {
      case: 'keeps releases outside of its range from a group',
      rules: { groups: [{ ...PROD, versions: '~1.0' }] },
      expected: 'locked',
    },
    {
      case: 'gives a group what is in its range',
      rules: { groups: [{ ...PROD, versions: '>=1.1 <2' }] },
      expected: 'forward 1.1.0',
    },
    {
      case: 'lets a pin stand instead of the range',
      rules: { pins: { 'host-1': '1.1.0' }, groups: [{ ...PROD, versions: '~1.0' }] },
      expected: 'forward 1.1.0',
    },
    {
      case: 'lets nobody leave a dead end',
      rules: { dead_ends: [{ versions: '1.0.0', reason: 'loses its keys' }] },
      expected: 'dead-end',
    },
    {
      case: 'leads nobody into a dead end',
      rules: { dead_ends: [{ versions: '=1.1.0', reason: 'loses its keys' }] },
      expected: 'dead-end',
    },
    {
      case: 'holds everyone in a freeze',
      rules: {
        freezes: [{ from: '2026-03-01T00:00:00Z', to: '2026-03-02T00:00:00Z', reason: 'x' }],
      },
      expected: 'frozen',
    },
    {
      case: 'holds a group outside of its windows',
      rules: {
        groups: [
          { ...PROD, windows: [{ days: ['mon'], from: '02:00', to: '04:00', time_zone: 'UTC' }] },
        ],
      },
      expected: 'window',
    },
    {
      case: 'holds nobody by the rules of another group',
      rules: { groups: [{ name: 'test', versions: '~1.0', delay: '2 days' }] },
      expected: 'forward 1.1.0',
    },
  ])('$case', ({ rules, expected }) => {
    expect(ask(rules)).toBe(expected);
  });

  it('counts the first group that matches, by labels, by list and by the declared name', () => {
    const rules = {
      groups: [
        { name: 'listed', match: { hosts: ['host-7'] }, versions: '~7' },
        { name: 'canary', match: { labels: 'role=canary,zone in (a,b)' }, versions: '~1.1' },
        { name: 'prod', versions: '~1.0' },
        { name: 'rest', match: { labels: '' }, delay: '1 day' },
      ],
    };
    const by = (change: Partial<Host>) => ask(rules, { of: host(change) });
    expect(by({ id: 'host-7' })).toBe('locked');
    expect(by({ labels: { role: 'canary', zone: 'b' } })).toBe('forward 1.1.0');
    expect(by({ labels: { role: 'canary', zone: 'c' } })).toBe('locked');
    expect(by({ group: null })).toBe('not-yet');
  });

  it('lets a canary group through as soon as the first wave opens, the others as the tide has it', () => {
    const rules = { groups: [{ name: 'canary', first: true }] };
    const rollouts = [startedRollout(V11, { policy: DEFAULT_WAVES })];
    const by = (group: string, now: Date) =>
      ask(rules, { of: host({ group, seed: 2047 }), rollouts, now });
    expect(by('canary', after(HOUR_MS - 1))).toBe('not-yet');
    expect(by('canary', after(HOUR_MS))).toBe('forward 1.1.0');
    expect(by('prod', after(6 * DAY_MS - 1))).toBe('not-yet');
  });

  it('holds canaries too at a closed gate before the first wave', () => {
    const policy = policyOf([[HOUR_MS, 100, gateOf({ needsApproval: true })]]);
    const rollouts = [startedRollout(V11, { policy })];
    const rules = { groups: [{ name: 'prod', first: true }] };
    expect(ask(rules, { rollouts, now: after(DAY_MS) })).toBe('gate');
  });

  it('lets a delayed group follow the tide by its delay, which a pause stops', () => {
    const rules = { groups: [{ ...PROD, delay: '2 days' }] };
    const rollout = startedRollout(V11, { policy: policyOf([[HOUR_MS, 100]]) });
    const paused = rolloutAfter(
      rollout,
      verbOf('pause', rollout, after(DAY_MS)),
      verbOf('resume', rollout, after(4 * DAY_MS)),
    );
    const at = (one: Rollout, ms: number) => ask(rules, { rollouts: [one], now: after(ms) });
    expect(at(rollout, 2 * DAY_MS + HOUR_MS - 1)).toBe('not-yet');
    expect(at(rollout, 2 * DAY_MS + HOUR_MS)).toBe('forward 1.1.0');
    expect(at(paused, 5 * DAY_MS + HOUR_MS - 1)).toBe('not-yet');
    expect(at(paused, 5 * DAY_MS + HOUR_MS)).toBe('forward 1.1.0');
  });

  it('never holds a delayed host again that was let through, whatever a gate does', () => {
    const rules = readRules({ groups: [{ ...PROD, delay: '3 hours' }] });
    const policy = policyOf([
      [0, 50],
      [5 * HOUR_MS, 100, gateOf({ needsApproval: true })],
    ]);
    const rollout = startedRollout(V11, { policy });
    const opened = rolloutAfter(rollout, verbOf('advance', rollout, after(50 * HOUR_MS)));
    const isThrough = (one: Rollout, hours: number, seed: number) =>
      answer(rules, { of: host({ seed }), rollouts: [one], now: after(hours * HOUR_MS) })
        .decision === 'update';
    const seeds = Array.from({ length: 128 }, (_, index) => index * 16);
    const before = seeds.filter((seed) => isThrough(rollout, 50, seed));
    expect(before.length).toBeGreaterThan(10);
    for (const hours of [50, 51, 53, 60]) {
      expect(before.filter((seed) => !isThrough(opened, hours, seed))).toEqual([]);
    }
    expect(seeds.every((seed) => isThrough(opened, 53, seed))).toBe(true);
  });

  it('holds while other hosts have all leases of the group or of its failure domain', () => {
    const rules = {
      groups: [{ ...PROD, concurrency: [{ limit: 5 }, { limit: '10 %', per: 'zone' }] }],
    };
    const used =
      (group: number, zone: number): LeaseCount =>
      (key) =>
        key === '["prod"]' ? { inUse: group, members: 100 } : { inUse: zone, members: 29 };
    const by = (group: number, zone: number) => ask(rules, { leases: used(group, zone) });
    expect(by(4, 1)).toBe('forward 1.1.0');
    expect(by(5, 1)).toBe('concurrency');
    expect(by(4, 2)).toBe('concurrency');
  });

  it('leaves limits to the server where nobody counts leases', () => {
    expect(ask({ groups: [{ ...PROD, concurrency: [{ limit: 1 }] }] })).toBe('forward 1.1.0');
  });

  it('gives an older release that the lock allows while the newest is locked', () => {
    const rollouts = [startedRollout(V11), startedRollout(releaseOf('2.0.0'))];
    expect(ask({ groups: [{ ...PROD, versions: '^1' }] }, { rollouts })).toBe('forward 1.1.0');
  });
});

describe('a way back', () => {
  const frozen = [{ from: '2026-02-01T00:00:00Z', to: '2026-04-01T00:00:00Z', reason: 'x' }];
  const windows = [{ days: ['mon'], from: '02:00', to: '04:00', time_zone: 'UTC' }];

  it.each([
    {
      case: 'does not wait for the tide, windows, freezes and the version lock',
      rules: {
        freezes: frozen,
        groups: [{ ...PROD, windows, delay: '2 days', versions: '>=1.1' }],
      },
      expected: 'rollback 1.0.0',
    },
    {
      case: 'waits for freezes if the group says so',
      rules: { freezes: frozen, groups: [{ ...PROD, rollback: 'waits' }] },
      expected: 'frozen',
    },
    {
      case: 'waits for windows if the group says so',
      rules: { groups: [{ ...PROD, windows, rollback: 'waits' }] },
      expected: 'window',
    },
    {
      case: 'passes by an excluded host',
      rules: { excludes: { 'host-1': 'x' } },
      expected: 'excluded',
    },
    {
      case: 'leaves a pinned host at its version',
      rules: { pins: { 'host-1': '1.1.0' } },
      expected: 'locked',
    },
    {
      case: 'does not lead into a dead end',
      rules: { dead_ends: [{ versions: '1.0.0', reason: 'x' }] },
      expected: 'dead-end',
    },
  ])('$case', ({ rules, expected }) => {
    const of = host({ version: '1.1.0' });
    expect(ask(rules, { of, rollouts: [rolledBack()], now: after(2) })).toBe(expected);
  });

  it('counts for the concurrency limit', () => {
    const rules = { groups: [{ ...PROD, concurrency: [{ limit: 1 }] }] };
    const leases: LeaseCount = () => ({ inUse: 1, members: 9 });
    const of = host({ version: '1.1.0' });
    expect(ask(rules, { of, rollouts: [rolledBack()], now: after(2), leases })).toBe('concurrency');
  });
});

describe('eligibleAt', () => {
  const day = fc.constantFrom('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun');
  const time = fc
    .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom('00', '20', '45'))
    .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${minute}`);
  const window = fc.record({
    days: fc.uniqueArray(day, { minLength: 1 }),
    from: time,
    to: time,
    time_zone: fc.constantFrom('UTC', 'Europe/Berlin', 'Pacific/Auckland'),
  });
  const freeze = fc
    .tuple(fc.integer({ min: 0, max: 40 * DAY_MS }), fc.integer({ min: 1, max: 6 * DAY_MS }))
    .map(([from, ms]) => ({
      from: after(from).toISOString(),
      to: after(from + ms).toISOString(),
      reason: 'busy',
    }));
  const fleets = fc.record({
    groups: fc.tuple(
      fc.record({
        name: fc.constant('prod'),
        first: fc.boolean(),
        delay: fc.integer({ min: 0, max: 300 }).map((hours) => `${hours} hours`),
        windows: fc.array(window, { maxLength: 2 }),
      }),
    ),
    freezes: fc.array(freeze, { maxLength: 4 }),
  });

  it('is the first instant that lets the host through, and not a millisecond later', () => {
    const seeds = fc.integer({ min: 0, max: 2047 });
    const seen = { foretold: 0, untold: 0 };
    fc.assert(
      fc.property(policies({ gates: true }), fleets, seeds, (policy, fleet, seed) => {
        const rules = readRules(fleet);
        const rollouts = [startedRollout(V11, { policy })];
        const at = (now: Date) => answer(rules, { of: host({ seed }), rollouts, now });
        const first = at(after(0));
        if (first.decision === 'update') return;
        if (first.eligibleAt === null) {
          seen.untold += 1;
          for (const days of [1, 30, 400]) expect(at(after(days * DAY_MS)).decision).toBe('stay');
          return;
        }
        seen.foretold += 1;
        const { eligibleAt } = first;
        expect(at(eligibleAt).decision).toBe('update');
        // Nobody slips through before it: neither just before, nor anywhere on the way.
        const spanMs = eligibleAt.getTime() - after(0).getTime();
        for (const share of [1, 2, 3, 5, 8, 13, 21]) {
          const earlier = at(
            new Date(eligibleAt.getTime() - Math.max(1, Math.floor(spanMs / share))),
          );
          expect(earlier).toMatchObject({ decision: 'stay', eligibleAt });
        }
        expect(at(new Date(eligibleAt.getTime() - 1))).toMatchObject({ eligibleAt });
      }),
      { seed: 21, numRuns: 300 },
    );
    expect(seen.foretold).toBeGreaterThan(100);
    expect(seen.untold).toBeGreaterThan(10);
  });
});
