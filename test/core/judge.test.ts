import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { judge, overdueBefore } from '../../core/judge.ts';
import type { Counters, Rollout } from '../../core/rollout.ts';
import { tideAt } from '../../core/tide.ts';
import { applyVerb } from '../../core/verb.ts';
import type { Verb } from '../../core/verb.ts';
import type { HaltRule, Policy } from '../../core/wave.ts';
import {
  after,
  DAY_MS,
  gateOf,
  HOUR_MS,
  policies,
  policyOf,
  releaseOf,
  rolloutAfter,
  startedRollout,
  verbOf,
} from '../support/rollouts.ts';

const RELEASE = releaseOf('1.1.0', { rollbackTo: ['1.0.0'] });
const HALT: HaltRule = { percentage: 5, minimum: 20, rollBackTo: null };
const SUCCESS = gateOf({ success: { percentage: 95, minimum: 20 } });

function counted(change: Partial<Counters>): Counters {
  const { offered = 0, updated = 0, failed = 0, overdue = 0 } = change;
  const { successes = updated, failures = failed + overdue } = change;
  return { offered, updated, failed, overdue, successes, failures };
}

function running(change: Partial<Policy>): Rollout {
  const policy = policyOf([
    [0, 10],
    [HOUR_MS, 50, SUCCESS],
    [2 * HOUR_MS, 100],
  ]);
  return startedRollout(RELEASE, { policy: { ...policy, ...change } });
}

function own(rollout: Rollout, verb: Pick<Verb, 'id' | 'at'>, evidence: Counters) {
  const origin = { ...verb, by: 'server', reason: null, rolloutId: rollout.id };
  return {
    halt: (): Verb => ({ ...origin, kind: 'halt', evidence }),
    pass: (opening: number): Verb => ({ ...origin, kind: 'pass-gate', opening, evidence }),
  };
}

describe('judge halts', () => {
  it.each([
    { case: 'at the share and the minimum', updated: 19, failed: 1, isHalted: true },
    { case: 'not below the minimum, however bad', updated: 0, failed: 19, isHalted: false },
    { case: 'not below the share', updated: 20, failed: 1, isHalted: false },
    { case: 'for hosts that are overdue too', updated: 38, overdue: 2, isHalted: true },
    { case: 'not for hosts that are merely silent', updated: 20, offered: 500, isHalted: false },
  ])('$case', ({ isHalted, ...counters }) => {
    const verdict = judge(running({ halt: HALT }), counted(counters), after(0));
    expect(verdict?.kind === 'halt').toBe(isHalted);
  });

  it('nothing without a rule, and nothing that does not run', () => {
    const all = counted({ failed: 1000 });
    expect(judge(running({}), all, after(0))).toBeNull();
    const rollout = running({ halt: HALT });
    const paused = rolloutAfter(rollout, verbOf('pause', rollout, after(1)));
    expect(judge(paused, all, after(2))).toBeNull();
  });

  it('keeps the evidence, stops the clock, and lets a person go on without counting it again', () => {
    const rollout = running({ halt: HALT });
    const evidence = counted({ updated: 15, failed: 10 });
    const halted = rolloutAfter(rollout, own(rollout, { id: 'h1', at: after(5) }, evidence).halt());
    expect(halted).toMatchObject({ state: 'halted', clockMs: 5, runningSince: null });
    expect(halted.history.at(-1)).toMatchObject({ verb: 'halt', by: 'server', evidence });
    const resumed = rolloutAfter(halted, verbOf('resume', halted, after(10)));
    expect(judge(resumed, evidence, after(10))).toBeNull();
    const nine = counted({ ...evidence, successes: 24, failures: 10 });
    expect(judge(resumed, nine, after(11))).toBeNull();
    const more = counted({ ...evidence, successes: 24, failures: 21 });
    expect(judge(resumed, more, after(12))).toEqual({ kind: 'halt' });
  });

  it('sends hosts back once if the policy says so, and not after a person went on', () => {
    const rollout = running({ halt: { ...HALT, rollBackTo: '1.0.0' } });
    const evidence = counted({ failed: 30 });
    const halted = rolloutAfter(rollout, own(rollout, { id: 'h1', at: after(5) }, evidence).halt());
    expect(judge(halted, evidence, after(6))).toEqual({ kind: 'roll-back', to: '1.0.0' });
    const retried = rolloutAfter(halted, verbOf('retry', halted, after(7)));
    expect(judge(retried, evidence, after(8))).toBeNull();
  });

  it('refuses at the start a way back that the signed document does not name', () => {
    const policy = { ...policyOf([[0, 100]]), halt: { ...HALT, rollBackTo: '0.9.0' } };
    expect(() => startedRollout(RELEASE, { policy })).toThrow('may not go back to 0.9.0');
  });
});

describe('judge opens a gate', () => {
  const atGate = after(90 * DAY_MS);

  it.each([
    { case: 'at the share and the minimum', updated: 19, failed: 1, isOpen: true },
    { case: 'not with too few hosts', updated: 19, isOpen: false },
    { case: 'not below the share', updated: 94, failed: 6, isOpen: false },
    {
      case: 'not while hosts that it let through are silent',
      updated: 94,
      offered: 6,
      isOpen: false,
    },
  ])('$case', ({ isOpen, ...counters }) => {
    const verdict = judge(running({}), counted(counters), atGate);
    expect(verdict).toEqual(isOpen ? { kind: 'pass-gate', opening: 1 } : null);
  });

  it('only when the tide has reached it, soak included', () => {
    const gate = gateOf({ soakMs: DAY_MS, success: { percentage: 1, minimum: 1 } });
    const rollout = running({
      waves: policyOf([
        [0, 10],
        [HOUR_MS, 100, gate],
      ]).waves,
    });
    const enough = counted({ updated: 5 });
    expect(judge(rollout, enough, after(HOUR_MS + DAY_MS - 1))).toBeNull();
    expect(judge(rollout, enough, after(HOUR_MS + DAY_MS))).not.toBeNull();
  });

  it('and the tide goes on from there, without a burst', () => {
    const rollout = running({});
    const verb = own(rollout, { id: 'p1', at: atGate }, counted({ updated: 20 })).pass(1);
    const passed = rolloutAfter(rollout, verb);
    expect(tideAt(passed, atGate)).toBe(204);
    expect(tideAt(passed, new Date(atGate.getTime() + HOUR_MS / 2))).toBe(614);
    expect(judge(passed, counted({ updated: 20 }), atGate)).toBeNull();
  });

  it('but waits for a person too if the gate asks for one, in either order', () => {
    const gate = { ...SUCCESS, needsApproval: true };
    const rollout = running({
      waves: policyOf([
        [0, 10],
        [HOUR_MS, 100, gate],
      ]).waves,
    });
    const pass = own(rollout, { id: 'p1', at: atGate }, counted({ updated: 20 })).pass(1);
    const approve = verbOf('approve', rollout, after(1));
    const later = new Date(atGate.getTime() + HOUR_MS);
    expect(tideAt(rolloutAfter(rollout, pass), later)).toBe(204);
    expect(tideAt(rolloutAfter(rollout, approve), later)).toBe(204);
    expect(tideAt(rolloutAfter(rollout, approve, pass), later)).toBe(2048);
  });

  it('never a gate that is not the next one, by a verb that comes late', () => {
    const rollout = running({});
    const pass = own(rollout, { id: 'p1', at: atGate }, counted({ updated: 20 }));
    expect(() => applyVerb([rollout], pass.pass(0))).toThrow('cannot pass-gate');
    const paused = rolloutAfter(rollout, verbOf('pause', rollout, atGate));
    expect(() => applyVerb([paused], pass.pass(1))).toThrow('cannot pass-gate');
  });

  it('and passing never lets anybody through in the same instant', () => {
    const counters = fc.record({
      ...{ offered: fc.nat(200), updated: fc.nat(200), failed: fc.nat(20), overdue: fc.nat(20) },
      ...{ successes: fc.nat(200), failures: fc.nat(40) },
    });
    fc.assert(
      fc.property(policies(), counters, fc.nat(60 * DAY_MS), (policy, count, ms) => {
        const rollout = startedRollout(RELEASE, { policy });
        const verdict = judge(rollout, count, after(ms));
        if (verdict?.kind !== 'pass-gate') return;
        const pass = own(rollout, { id: 'p', at: after(ms) }, count).pass(verdict.opening);
        const passed = rolloutAfter(rollout, pass);
        const before = tideAt(rollout, after(ms));
        const next = policy.waves[verdict.opening];
        const isJump = next === policy.waves.at(-1) && next?.rampMs === 0;
        if (!isJump) expect(tideAt(passed, after(ms))).toBe(before);
        expect(judge(passed, count, after(ms))?.kind).not.toBe('halt');
      }),
      { seed: 11, numRuns: 2000 },
    );
  });
});

describe('overdueBefore', () => {
  const policy = { outcomeWithinMs: HOUR_MS };

  it('lets time run while the rollout does, at a closed gate too', () => {
    const gated = running(policy);
    expect(overdueBefore(gated, after(9 * HOUR_MS))).toEqual(after(8 * HOUR_MS));
    expect(overdueBefore(running({}), after(9 * HOUR_MS))).toBeNull();
  });

  it.each(['pause', 'halt'] as const)(
    'is nobody while a %s lasts, and begins anew when it is resumed',
    (kind) => {
      const rollout = running(policy);
      const { halt } = own(rollout, { id: 'halt', at: after(HOUR_MS / 2) }, counted({}));
      const verb = kind === 'halt' ? halt() : verbOf('pause', rollout, after(HOUR_MS / 2));
      const still = rolloutAfter(rollout, verb);
      expect(overdueBefore(still, after(9 * HOUR_MS))).toBeNull();
      const resumed = rolloutAfter(still, verbOf('resume', still, after(9 * HOUR_MS)));
      expect(overdueBefore(resumed, after(10 * HOUR_MS))).toBeNull();
      expect(overdueBefore(resumed, after(10 * HOUR_MS + 1))).toEqual(after(9 * HOUR_MS + 1));
    },
  );
});
