import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decide } from '../../core/decide.ts';
import { NO_RULES } from '../../core/fleet/rules.ts';
import { seedOfHost } from '../../core/seed.ts';
import { simulate } from '../../core/simulation.ts';
import type { SimulationOptions } from '../../core/simulation.ts';
import type { Policy } from '../../core/wave.ts';
import { numbersFrom } from '../../repo-tools/simulated-fleet.ts';
import {
  after,
  DAY_MS,
  DEFAULT_WAVES,
  gateOf,
  HOUR_MS,
  policies,
  policyOf,
  releaseOf,
  startedRollout,
} from '../support/rollouts.ts';

const V10 = releaseOf('1.0.0');
const V11 = releaseOf('1.1.0', { rollbackTo: ['1.0.0'] });
const MINUTE_MS = 60_000;

function hosts(count: number) {
  return Array.from({ length: count }, (_, index) => {
    const id = `host-${index}`;
    return { id, seed: seedOfHost(id), version: '1.0.0' };
  });
}

function run(policy: Policy, change: Partial<SimulationOptions> = {}) {
  return simulate({
    rollout: startedRollout(V11, { policy }),
    hosts: hosts(2000),
    ...{ pollMs: 15 * MINUTE_MS, installMs: 5 * MINUTE_MS, failing: 0, silent: 0 },
    ...{ rules: NO_RULES, neighbours: [], leaseMs: HOUR_MS },
    ...{ approveAfterMs: null, wayBack: V10, limitMs: 60 * DAY_MS, sampleMs: HOUR_MS },
    random: numbersFrom(1),
    ...change,
  });
}

describe('simulate', () => {
  it('brings everyone to the release in the time of the policy, one poll and one install', () => {
    const { samples, endedAtMs, rollout } = run(DEFAULT_WAVES);
    expect(samples.at(-1)).toMatchObject({ tide: 2048, updated: 2000, offered: 0, failed: 0 });
    expect(endedAtMs).toBeGreaterThan(6 * DAY_MS);
    expect(endedAtMs).toBeLessThanOrEqual(6 * DAY_MS + 20 * MINUTE_MS);
    expect(rollout.history).toHaveLength(1);
  });

  it('never has more hosts under way than the tide lets through', () => {
    const all = hosts(2000);
    for (const { atMs, tide, offered, updated } of run(DEFAULT_WAVES).samples) {
      const through = all.filter(({ seed }) => seed < tide).length;
      expect(offered + updated).toBeLessThanOrEqual(through);
      expect(atMs % HOUR_MS).toBe(0);
    }
  });

  it('names the largest step: the hosts that a last wave without a ramp lets go at once', () => {
    const { largestStep } = run(DEFAULT_WAVES);
    expect(largestStep.atMs).toBe(6 * DAY_MS);
    expect(largestStep.hosts).toBeGreaterThan(150);
    const waves = DEFAULT_WAVES.waves.map((wave, index, { length }) =>
      index === length - 1 ? { ...wave, rampMs: DAY_MS } : wave,
    );
    expect(run({ ...DEFAULT_WAVES, waves }).largestStep.hosts).toBeLessThan(20);
  });

  it('halts when the injected failures reach the threshold, and nobody starts after that', () => {
    const halt = { percentage: 5, minimum: 20, rollBackTo: null };
    const { rollout, samples } = run({ ...DEFAULT_WAVES, halt }, { failing: 0.2 });
    expect(rollout.state).toBe('halted');
    const last = rollout.history.at(-1);
    expect(last).toMatchObject({ verb: 'halt', by: 'server' });
    const evidence = last?.evidence ?? { failures: 0, successes: 0, offered: 0 };
    expect(evidence.failures + evidence.successes).toBeGreaterThanOrEqual(20);
    const { updated = 0, failed = 0 } = samples.at(-1) ?? {};
    expect(updated + failed).toBe(evidence.failures + evidence.successes + evidence.offered);
  });

  it('counts silent hosts as failures in time', () => {
    const halt = { percentage: 50, minimum: 20, rollBackTo: null };
    const policy = { ...DEFAULT_WAVES, halt, outcomeWithinMs: 2 * HOUR_MS };
    const { rollout } = run(policy, { silent: 1 });
    expect(rollout.history.at(-1)).toMatchObject({ verb: 'halt', evidence: { updated: 0 } });
    expect(run({ ...DEFAULT_WAVES, halt }, { silent: 1 }).rollout.state).toBe('running');
  });

  it('sends hosts back after a halt if the policy says so, those that were busy too', () => {
    const halt = { percentage: 5, minimum: 20, rollBackTo: '1.0.0' };
    const { rollout, sentBack, samples } = run({ ...DEFAULT_WAVES, halt }, { failing: 0.2 });
    expect(rollout.state).toBe('rolled-back');
    expect(sentBack).toBe(samples.at(-1)?.updated);
    expect(sentBack).toBeGreaterThan(0);
  });

  it('waits at a gate for outcomes and for a person, and ends there if nobody comes', () => {
    const gate = gateOf({ success: { percentage: 90, minimum: 20 }, needsApproval: true });
    const policy = policyOf([
      [0, 10],
      [DAY_MS, 100, gate],
    ]);
    const alone = run(policy);
    expect(alone.samples.at(-1)?.tide).toBe(204);
    const approved = run(policy, { approveAfterMs: HOUR_MS });
    expect(approved.samples.at(-1)).toMatchObject({ tide: 2048, updated: 2000 });
    const verbs = approved.rollout.history.map(({ verb }) => verb);
    expect(verbs).toEqual(['start', 'pass-gate', 'approve']);
    const failing = run(policy, { approveAfterMs: HOUR_MS, failing: 0.3 });
    expect(failing.samples.at(-1)?.tide).toBe(204);
  });

  it('agrees with decide asked for every host at every instant, for any policy', () => {
    const few = hosts(40);
    fc.assert(
      fc.property(policies({ gates: false }), (policy) => {
        const rollout = startedRollout(V11, { policy });
        const { samples } = run(policy, { hosts: few, pollMs: 1, installMs: 0, sampleMs: DAY_MS });
        for (const { atMs, updated } of samples.slice(1, 40)) {
          const now = after(atMs - 1);
          const through = few.filter(({ id, seed, version }) => {
            const host = { id, seed, version, variant: V11.variant, arch: V11.arch };
            return (
              decide(host, { rollouts: [rollout], rules: NO_RULES }, now).decision === 'update'
            );
          });
          expect(Math.abs(updated - through.length)).toBeLessThanOrEqual(1);
        }
      }),
      { seed: 5, numRuns: 60 },
    );
  });

  it('is the same for the same numbers', () => {
    const halt = { percentage: 5, minimum: 20, rollBackTo: null };
    const once = run({ ...DEFAULT_WAVES, halt }, { failing: 0.05, silent: 0.01 });
    expect(run({ ...DEFAULT_WAVES, halt }, { failing: 0.05, silent: 0.01 })).toEqual(once);
  });
});
