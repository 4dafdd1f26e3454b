import { describe, expect, it } from '@jest/globals';
import { givenUp } from '../../agent/failures.ts';
import type { AgentState, Failure } from '../../agent/machine-state.ts';

const NOW_MS = 1_000_000;

function failure(change: Partial<Failure>): Failure {
  const mishap = { stage: 'install', code: 'agent/image', message: 'wrong' } as const;
  return { ...mishap, to: '1.1.0', attempt: 2, count: 1, retryAtMs: null, ...change };
}

function idle(one: Failure | null): AgentState {
  return { kind: 'idle', failure: one, outcome: null };
}

describe('givenUp', () => {
  it.each([
    { case: 'nothing without a failure', failed: null, said: undefined },
    {
      case: 'what is not tried again before something changes',
      failed: failure({ stage: 'health' }),
      said: { version: '1.1.0', attempt: 2 },
    },
    {
      case: 'in how many seconds it is tried again, rounded up',
      failed: failure({ retryAtMs: NOW_MS + 1500 }),
      said: { version: '1.1.0', attempt: 2, retryAfterSeconds: 2 },
    },
    {
      case: 'nothing once its time has come',
      failed: failure({ retryAtMs: NOW_MS }),
      said: undefined,
    },
    {
      case: 'no more than a server takes, whatever the clock did',
      failed: failure({ retryAtMs: NOW_MS + 9e8 }),
      said: { version: '1.1.0', attempt: 2, retryAfterSeconds: 86_400 },
    },
  ])('says $case', ({ failed, said }) => {
    expect(givenUp(idle(failed), NOW_MS)).toEqual(said);
  });

  it('says nothing of a release that is under way again because somebody insists', () => {
    const target = {
      ...{ id: 'a', rolloutId: 'r', from: '1.0.0', to: '1.1.0', attempt: 2 },
      direction: 'forward' as const,
    };
    const state: AgentState = { kind: 'available', target, failure: failure({}), reboots: 0 };
    expect(givenUp(state, NOW_MS)).toBeUndefined();
  });
});
