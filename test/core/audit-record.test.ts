import { describe, expect, it } from '@jest/globals';
import { appendEntry, EMPTY_CHAIN, verifyChain } from '../../core/audit.ts';
import { recordOfVerb, recordsOfFound, changeOf } from '../../core/audit-record.ts';
import type { Rollout } from '../../core/rollout.ts';
import { applyVerb } from '../../core/verb.ts';
import type { Verb } from '../../core/verb.ts';
import {
  after,
  HOUR_MS,
  planOf,
  releaseOf,
  rollBackVerb,
  rolloutAfter,
  START,
  startedRollout,
  startVerb,
  verbOf,
} from '../support/rollouts.ts';

const RELEASE = releaseOf('1.1.0', { rollbackTo: ['1.0.0'] });

function changed(rollouts: readonly Rollout[], verb: Verb) {
  return changeOf(verb, planOf(rollouts), planOf(applyVerb(rollouts, verb)));
}

describe('recordOfVerb', () => {
  it('tells who did what, when and why, and the rollout before and after', () => {
    const rollout = startedRollout(RELEASE);
    const verb = verbOf('pause', rollout, after(HOUR_MS));
    const change = changed([rollout], verb);
    expect(recordOfVerb(verb, { event: 'accepted', at: after(HOUR_MS), change })).toEqual({
      at: '2026-03-01T13:00:00Z',
      event: 'accepted',
      actor: 'operator',
      verbId: verb.id,
      verb: 'pause',
      verbAt: '2026-03-01T13:00:00Z',
      rolloutId: 'rollout-1.1.0',
      reason: 'test',
      message: null,
      before: {
        release: { variant: 'aws-k8s-1.32', arch: 'x86_64', version: '1.1.0' },
        seeds: 'stable',
        state: 'running',
        clockMs: 0,
        runningSince: '2026-03-01T12:00:00Z',
        approvedOpenings: 0,
        passedOpenings: 0,
        attempt: 1,
        forgiven: { successes: 0, failures: 0 },
        sentBackTo: null,
      },
      after: {
        release: { variant: 'aws-k8s-1.32', arch: 'x86_64', version: '1.1.0' },
        seeds: 'stable',
        state: 'paused',
        clockMs: HOUR_MS,
        runningSince: null,
        approvedOpenings: 0,
        passedOpenings: 0,
        attempt: 1,
        forgiven: { successes: 0, failures: 0 },
        sentBackTo: null,
      },
    });
  });

  it('tells the policy and that there was nothing before when a rollout starts', () => {
    const verb = startVerb(RELEASE);
    const change = changed([], verb);
    const { before, after: started } = recordOfVerb(verb, { event: 'accepted', at: START, change });
    expect(before).toBeNull();
    expect(started).toMatchObject({ state: 'running', policy: { waves: [{ percentage: 100 }] } });
  });

  it('tells where hosts are sent back to', () => {
    const rollout = startedRollout(RELEASE);
    const verb = rollBackVerb(rollout, releaseOf('1.0.0'), after(HOUR_MS));
    const change = changed([rollout], verb);
    const record = recordOfVerb(verb, { event: 'committed', at: after(HOUR_MS), change });
    expect(record).toMatchObject({ before: { sentBackTo: null }, after: { sentBackTo: '1.0.0' } });
  });

  it('tells why a verb was rejected', () => {
    const verb = verbOf('pause', startedRollout(RELEASE), START);
    const record = recordOfVerb(verb, { event: 'rejected', at: START, message: 'it is withdrawn' });
    expect(record).toMatchObject({ message: 'it is withdrawn', before: null, after: null });
  });

  it('makes a record that can be hashed of text that is no Unicode', () => {
    const verb = { ...verbOf('pause', startedRollout(RELEASE), START), reason: 'half \ud800' };
    const entry = appendEntry(EMPTY_CHAIN, recordOfVerb(verb, { event: 'accepted', at: START }));
    expect(entry.reason).toBe('half \ufffd');
    expect(verifyChain([entry]).kind).toBe('intact');
  });
});

describe('recordsOfFound', () => {
  const known = startedRollout(RELEASE);
  const paused = verbOf('pause', known, after(HOUR_MS));
  const resumed = verbOf('resume', known, after(2 * HOUR_MS));

  it('tells the verbs that somebody else committed, with what is known around them', () => {
    const now = rolloutAfter(known, paused, resumed);
    const found = recordsOfFound(planOf([known]), planOf([now]), after(3 * HOUR_MS));
    expect(found).toMatchObject([
      { event: 'found', verb: 'pause', verbId: paused.id, actor: 'operator', reason: 'test' },
      { event: 'found', verb: 'resume', verbId: resumed.id, at: '2026-03-01T15:00:00Z' },
    ]);
    expect(found).toMatchObject([
      { before: { state: 'running', clockMs: 0 }, after: null, verbAt: '2026-03-01T13:00:00Z' },
      { before: null, after: { state: 'running', clockMs: HOUR_MS } },
    ]);
  });

  it('orders verbs of several rollouts by their times', () => {
    const other = startedRollout(releaseOf('1.2.0'), { at: after(90 * 60_000) });
    const now = [other, rolloutAfter(known, paused, resumed)];
    const verbs = recordsOfFound(planOf([known]), planOf(now), after(3 * HOUR_MS)).map(
      ({ verb }) => verb,
    );
    expect(verbs).toEqual(['pause', 'start', 'resume']);
  });

  it('finds nothing where nothing was committed', () => {
    expect(recordsOfFound(planOf([known]), planOf([known]), START)).toEqual([]);
  });
});
