import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decide as decideBy } from '../../core/decide.ts';
import type { Decision, Host } from '../../core/decide.ts';
import { NO_RULES } from '../../core/fleet/rules.ts';
import type { Rollout } from '../../core/rollout.ts';
import { SEED_COUNT, seedInRollout } from '../../core/seed.ts';
import { opensFor, tideAt } from '../../core/tide.ts';
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
} from '../support/rollouts.ts';

const V10 = releaseOf('1.0.0');
const V11 = releaseOf('1.1.0', { rollbackTo: ['1.0.0'] });
const V12 = releaseOf('1.2.0', { rollbackTo: ['1.1.0', '1.0.0'] });

function host(version: string, seed = 0): Host {
  return { id: 'host-1', variant: 'aws-k8s-1.32', arch: 'x86_64', version, seed };
}

/** Without rules of the fleet. */
function decide(of: Host, rollouts: readonly Rollout[], now: Date): Decision {
  return decideBy(of, { rollouts, rules: NO_RULES }, now);
}

function summary(decision: Decision): string {
  return decision.decision === 'update'
    ? `${decision.direction} ${decision.release.version}`
    : decision.reason;
}

describe('decide', () => {
  it.each([
    { case: 'forward to a release that covers it', version: '1.0.0', expected: 'forward 1.1.0' },
    { case: 'nowhere from the release it runs', version: '1.1.0', expected: 'up-to-date' },
    { case: 'nowhere from a newer release', version: '2.0.0', expected: 'up-to-date' },
    { case: 'forward from a pre-release', version: '1.1.0-rc.1', expected: 'forward 1.1.0' },
  ])('sends a host $case', ({ version, expected }) => {
    expect(summary(decide(host(version), [startedRollout(V11)], after(0)))).toBe(expected);
  });

  it('has nothing for another variant or another arch', () => {
    const rollouts = [startedRollout(V11)];
    expect(summary(decide({ ...host('1.0.0'), variant: 'metal' }, rollouts, after(0)))).toBe(
      'up-to-date',
    );
    expect(summary(decide({ ...host('1.0.0'), arch: 'aarch64' }, rollouts, after(0)))).toBe(
      'up-to-date',
    );
  });

  it('tells a waiting host when its place in the queue comes', () => {
    const rollout = startedRollout(V11, { policy: DEFAULT_WAVES });
    expect(decide(host('1.0.0', 2000), [rollout], after(0))).toEqual({
      decision: 'stay',
      reason: 'not-yet',
      rolloutId: rollout.id,
      eligibleAt: after(6 * DAY_MS),
    });
  });

  it('makes no promise above a last percentage under 100', () => {
    const rollout = startedRollout(V11, { policy: policyOf([[0, 50]]) });
    expect(decide(host('1.0.0', 1024), [rollout], after(DAY_MS))).toMatchObject({
      reason: 'not-yet',
      eligibleAt: null,
    });
  });

  it('lets nobody start while paused, not even below the tide', () => {
    const rollout = startedRollout(V11);
    const paused = rolloutAfter(rollout, verbOf('pause', rollout, after(HOUR_MS)));
    expect(summary(decide(host('1.0.0'), [paused], after(DAY_MS)))).toBe('paused');
  });

  it('lets hosts below the tide go on while it waits at a gate', () => {
    const policy = policyOf([
      [0, 50],
      [HOUR_MS, 100, gateOf({ needsApproval: true })],
    ]);
    const rollout = startedRollout(V11, { policy });
    expect(summary(decide(host('1.0.0', 1023), [rollout], after(DAY_MS)))).toBe('forward 1.1.0');
    expect(summary(decide(host('1.0.0', 1024), [rollout], after(DAY_MS)))).toBe('gate');
  });

  it('gives the newest release whose tide covers the host when rollouts overlap', () => {
    const rollouts = [startedRollout(V11), startedRollout(V12, { policy: DEFAULT_WAVES })];
    expect(summary(decide(host('1.0.0', 5), rollouts, after(DAY_MS)))).toBe('forward 1.2.0');
    expect(summary(decide(host('1.0.0', 2000), rollouts, after(DAY_MS)))).toBe('forward 1.1.0');
    expect(summary(decide(host('1.1.0', 2000), rollouts, after(DAY_MS)))).toBe('not-yet');
  });

  it('goes on with the older release while the newer one is paused or withdrawn', () => {
    const newer = startedRollout(V12);
    for (const verb of ['pause', 'withdraw'] as const) {
      const rollouts = [startedRollout(V11), rolloutAfter(newer, verbOf(verb, newer, after(1)))];
      expect(summary(decide(host('1.0.0'), rollouts, after(2)))).toBe('forward 1.1.0');
    }
  });

  it('steps through an earlier release at a barrier', () => {
    const barrier = startedRollout(releaseOf('2.0.0', { minimumFrom: '1.1.0' }));
    expect(summary(decide(host('1.0.0'), [barrier], after(0)))).toBe('barrier');
    const rollouts = [startedRollout(V11), barrier];
    expect(summary(decide(host('1.0.0'), rollouts, after(0)))).toBe('forward 1.1.0');
    expect(summary(decide(host('1.1.0'), rollouts, after(0)))).toBe('forward 2.0.0');
  });

  it('sends nobody anywhere for a withdrawn release', () => {
    const rollout = startedRollout(V11);
    const withdrawn = rolloutAfter(rollout, verbOf('withdraw', rollout, after(1)));
    expect(summary(decide(host('1.0.0'), [withdrawn], after(2)))).toBe('up-to-date');
    expect(summary(decide(host('1.1.0'), [withdrawn], after(2)))).toBe('up-to-date');
  });

  it('sends back exactly the hosts that run a rolled back release', () => {
    const rollout = startedRollout(V11);
    const back = rolloutAfter(rollout, rollBackVerb(rollout, V10, after(1)));
    expect(summary(decide(host('1.1.0', 2047), [back], after(2)))).toBe('rollback 1.0.0');
    expect(summary(decide(host('1.0.0'), [back], after(2)))).toBe('up-to-date');
    expect(summary(decide(host('1.1.1'), [back], after(2)))).toBe('up-to-date');
  });

  it('prefers a fix that covers the host to the way back', () => {
    const rollout = startedRollout(V11);
    const back = rolloutAfter(rollout, rollBackVerb(rollout, V10, after(1)));
    const fix = startedRollout(V12, { policy: policyOf([[0, 50]]) });
    expect(summary(decide(host('1.1.0', 0), [back, fix], after(2)))).toBe('forward 1.2.0');
    expect(summary(decide(host('1.1.0', 2047), [back, fix], after(2)))).toBe('rollback 1.0.0');
  });

  it('goes back past a release that was rolled back too, where the signed document allows it', () => {
    const first = startedRollout(V11);
    const second = startedRollout(V12);
    const rollouts = [
      rolloutAfter(first, rollBackVerb(first, V10, after(1))),
      rolloutAfter(second, rollBackVerb(second, V11, after(2))),
    ];
    expect(summary(decide(host('1.2.0'), rollouts, after(3)))).toBe('rollback 1.0.0');
    const strict = startedRollout({ ...V12, rollbackTo: ['1.1.0'] });
    const step = rolloutAfter(strict, rollBackVerb(strict, V11, after(2)));
    const [back] = rollouts;
    if (back === undefined) throw new Error('two rollouts');
    expect(summary(decide(host('1.2.0'), [back, step], after(3)))).toBe('rollback 1.1.0');
  });

  it('ends on a manifest whose ways back form a circle', () => {
    const loop = (version: string, to: string) => {
      const rollout = startedRollout(releaseOf(version, { rollbackTo: ['1.0.0', '1.1.0'] }));
      return rolloutAfter(rollout, rollBackVerb(rollout, releaseOf(to), after(1)));
    };
    const rollouts = [loop('1.0.0', '1.1.0'), loop('1.1.0', '1.0.0')];
    expect(summary(decide(host('1.1.0'), rollouts, after(2)))).toBe('rollback 1.0.0');
  });

  it('orders hosts anew in a rollout with shuffled seeds', () => {
    const rollout = startedRollout(V11, { policy: policyOf([[0, 50]]), seeds: 'shuffled' });
    const ids = Array.from({ length: 200 }, (_, index) => `host-${index}`);
    const through = ids.filter(
      (id) => decide({ ...host('1.0.0', 2047), id }, [rollout], after(1)).decision === 'update',
    );
    expect(through).toEqual(ids.filter((id) => seedInRollout(rollout.id, id) < 1024));
    expect(through.length).toBeGreaterThan(50);
  });

  it('lets a host through at its eligibleAt and not a millisecond earlier', () => {
    const seeds = fc.integer({ min: 0, max: SEED_COUNT - 1 });
    fc.assert(
      fc.property(policies({ gates: false }), seeds, (policy, seed) => {
        const rollout = startedRollout(V11, { policy, startAt: after(1) });
        const answer = decide(host('1.0.0', seed), [rollout], after(0));
        if (answer.decision !== 'stay' || answer.eligibleAt === null) {
          expect(tideAt(rollout, after(1000 * DAY_MS))).toBeLessThanOrEqual(seed);
          return;
        }
        expect(answer.eligibleAt).toEqual(opensFor(rollout, seed));
        const justBefore = new Date(answer.eligibleAt.getTime() - 1);
        expect(decide(host('1.0.0', seed), [rollout], justBefore).decision).toBe('stay');
        expect(decide(host('1.0.0', seed), [rollout], answer.eligibleAt).decision).toBe('update');
      }),
      { seed: 7, numRuns: 1000 },
    );
  });
});
