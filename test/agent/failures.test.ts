import { describe, expect, it } from '@jest/globals';
import { notTriedNow } from '../../agent/failures.ts';
import type { AgentState, Failure } from '../../agent/machine-state.ts';

const NOW_MS = 1_000_000;

function failure(change: Partial<Failure>): Failure {
  const mishap = { stage: 'install', code: 'agent/image', message: 'wrong' } as const;
  return { ...mishap, to: '1.1.0', attempt: 2, count: 1, retryAtMs: null, ...change };
}

function idle(one: readonly Failure[]): AgentState {
  return { kind: 'idle', failures: one, outcome: null };
}

describe('notTriedNow', () => {
  it.each([
    { case: 'nothing without a failure', failed: [], said: undefined },
    {
      case: 'what is not tried again before something changes',
      failed: [failure({ stage: 'health' })],
      said: [{ version: '1.1.0', attempt: 2 }],
    },
    {
      case: 'in how many seconds it is tried again, rounded up',
      failed: [failure({ retryAtMs: NOW_MS + 1500 })],
      said: [{ version: '1.1.0', attempt: 2, retryAfterSeconds: 2 }],
    },
    {
      case: 'nothing once its time has come',
      failed: [failure({ retryAtMs: NOW_MS })],
      said: undefined,
    },
    {
      case: 'no more than a server takes, whatever the clock did',
      failed: [failure({ retryAtMs: NOW_MS + 9e8 })],
      said: [{ version: '1.1.0', attempt: 2, retryAfterSeconds: 86_400 }],
    },
    {
      case: 'all that are not tried now',
      failed: [
        failure({}),
        failure({ to: '1.2.0', retryAtMs: NOW_MS }),
        failure({ to: '1.3.0', attempt: 1, retryAtMs: NOW_MS + 1 }),
      ],
      said: [
        { version: '1.1.0', attempt: 2 },
        { version: '1.3.0', attempt: 1, retryAfterSeconds: 1 },
      ],
    },
  ])('says $case', ({ failed, said }) => {
    expect(notTriedNow(idle(failed), NOW_MS)).toEqual(said);
  });

  it('says nothing of a release that is under way again because somebody insists', () => {
    const target = {
      ...{ id: 'a', rolloutId: 'r', from: '1.0.0', to: '1.1.0', attempt: 2 },
      direction: 'forward' as const,
    };
    const state: AgentState = { kind: 'available', target, failures: [failure({})], reboots: 0 };
    expect(notTriedNow(state, NOW_MS)).toBeUndefined();
  });
});
