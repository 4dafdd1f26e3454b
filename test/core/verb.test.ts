import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { tideAt } from '../../core/tide.ts';
import type { Rollout } from '../../core/rollout.ts';
import { applyVerb, legalVerbs, RolloutError } from '../../core/verb.ts';
import type { Verb } from '../../core/verb.ts';
import {
  after,
  DAY_MS,
  DEFAULT_WAVES,
  gateOf,
  HOUR_MS,
  policyOf,
  releaseOf,
  rollBackVerb,
  rolloutAfter,
  startedRollout,
  startVerb,
  verbOf,
} from '../support/rollouts.ts';

const BASE = releaseOf('1.0.0');
const RELEASE = releaseOf('1.1.0', { rollbackTo: ['1.0.0'] });

function running() {
  return startedRollout(RELEASE, { policy: DEFAULT_WAVES });
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof RolloutError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('applyVerb', () => {
  it('leaves the rollouts alone when the same verb comes again', () => {
    const rollout = running();
    const pause = verbOf('pause', rollout, after(HOUR_MS));
    const resume = verbOf('resume', rollout, after(2 * HOUR_MS));
    const once = [pause, resume].reduce<readonly Rollout[]>(
      (all, verb) => applyVerb(all, verb),
      [rollout],
    );
    expect(applyVerb(once, pause)).toBe(once);
    expect(applyVerb(once, startVerb(RELEASE))).toBe(once);
  });

  it('refuses a second rollout of a release that is being rolled out', () => {
    const rollouts = [running()];
    const again = startVerb(RELEASE, { id: 'again', rolloutId: 'other' });
    expect(codeOf(() => applyVerb(rollouts, again))).toBe('rollout/exists');
  });

  it('starts a withdrawn release anew, and the old rollout is history', () => {
    const rollout = running();
    const rollouts = [
      verbOf('withdraw', rollout, after(HOUR_MS)),
      startVerb(RELEASE, {
        id: 'again',
        rolloutId: 'other',
        at: after(DAY_MS),
        startAt: after(DAY_MS),
      }),
    ].reduce<readonly Rollout[]>((all, verb) => applyVerb(all, verb), [rollout]);
    expect(rollouts.map(({ id, state }) => [id, state])).toEqual([
      ['rollout-1.1.0', 'withdrawn'],
      ['other', 'running'],
    ]);
    const revive = rollBackVerb(rollout, BASE, after(DAY_MS));
    expect(codeOf(() => applyVerb(rollouts, revive))).toBe('rollout/illegal');
  });

  it.each(['pause', 'withdraw'] as const)('refuses to %s without a reason', (kind) => {
    const rollout = running();
    const verb: Verb = { ...verbOf(kind, rollout, after(1)), reason: ' ' };
    expect(codeOf(() => applyVerb([rollout], verb))).toBe('rollout/reason');
  });

  it('refuses a rollout that is not there', () => {
    expect(codeOf(() => applyVerb([], verbOf('pause', running(), after(1))))).toBe(
      'rollout/not-there',
    );
  });

  it('rolls back only to a version that the signed document of the release names', () => {
    const rollout = running();
    const stranger = rollBackVerb(rollout, releaseOf('0.9.0'), after(1));
    expect(codeOf(() => applyVerb([rollout], stranger))).toBe('rollout/not-permitted');
    const back = rolloutAfter(rollout, rollBackVerb(rollout, BASE, after(1)));
    expect([back.state, back.sentBackTo?.version]).toEqual(['rolled-back', '1.0.0']);
  });

  it('never takes effect before the verb that it follows', () => {
    const rollout = running();
    const resumed = rolloutAfter(
      rollout,
      verbOf('pause', rollout, after(DAY_MS)),
      verbOf('resume', rollout, after(HOUR_MS)),
    );
    expect(resumed.runningSince).toEqual(after(DAY_MS));
  });

  it('advances opening by opening up to everyone, and then refuses', () => {
    let rollout = running();
    const tides = [];
    for (let step = 0; step < 7; step += 1) {
      rollout = rolloutAfter(rollout, verbOf('advance', rollout, after(step)));
      tides.push(tideAt(rollout, after(step)));
    }
    expect(tides).toEqual([0, 20, 102, 307, 819, 1228, 2048]);
    expect(codeOf(() => applyVerb([rollout], verbOf('advance', rollout, after(9))))).toBe(
      'rollout/illegal',
    );
  });

  it('advances a paused rollout without starting its clock', () => {
    const rollout = running();
    const paused = rolloutAfter(
      rollout,
      verbOf('pause', rollout, after(0)),
      verbOf('advance', rollout, after(1)),
    );
    expect([paused.state, paused.runningSince, paused.clockMs]).toEqual(['paused', null, HOUR_MS]);
  });

  it('keeps a closed gate closed when it advances to it, and opens it the next time', () => {
    const policy = policyOf([
      [0, 10],
      [DAY_MS, 100, gateOf({ needsApproval: true })],
    ]);
    const rollout = startedRollout(RELEASE, { policy });
    const atGate = rolloutAfter(rollout, verbOf('advance', rollout, after(1)));
    expect(tideAt(atGate, after(10 * DAY_MS))).toBe(204);
    const open = rolloutAfter(atGate, verbOf('advance', rollout, after(2)));
    expect(tideAt(open, after(2))).toBe(2048);
  });

  it('accepts exactly the verbs it calls legal, in any state that verbs can reach', () => {
    const simple = ['pause', 'resume', 'advance', 'approve', 'retry', 'withdraw'] as const;
    const kinds = [...simple, 'roll-back'] as const;
    const steps = fc.array(fc.constantFrom(...kinds), { maxLength: 12 });
    fc.assert(
      fc.property(steps, (sequence) => {
        let rollout = running();
        sequence.forEach((kind, index) => {
          const at = after(index * HOUR_MS);
          // Each way back in other waves: the same one again would change nothing, and is refused.
          const verb =
            kind === 'roll-back'
              ? rollBackVerb(rollout, BASE, at, policyOf([[index, 100]]))
              : verbOf(kind, rollout, at);
          const isLegal = legalVerbs(rollout, at).includes(kind);
          const code = codeOf(() => {
            rollout = rolloutAfter(rollout, verb);
          });
          expect(code).toBe(isLegal ? 'no error' : 'rollout/illegal');
        });
      }),
      { seed: 6, numRuns: 500 },
    );
  });
});
