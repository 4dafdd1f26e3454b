import { describe, expect, it } from '@jest/globals';
import { decide } from '../../../core/decide.ts';
import type { Host } from '../../../core/decide.ts';
import { NO_RULES } from '../../../core/fleet/rules.ts';
import type { Rollout } from '../../../core/rollout.ts';
import {
  after,
  HOUR_MS,
  releaseOf,
  rollBackVerb,
  rolloutAfter,
  startedRollout,
  verbOf,
} from '../../support/rollouts.ts';

const V11 = releaseOf('1.1.0', { rollbackTo: ['1.0.0'] });
const ROLLOUT = startedRollout(V11);
const FAILED = { version: '1.1.0', attempt: 1, retryAt: null };

function answer(change: Partial<Host>, rollouts: readonly Rollout[] = [ROLLOUT], now = after(0)) {
  const host = { id: 'host-1', variant: 'aws-k8s-1.32', arch: 'x86_64', version: '1.0.0', seed: 0 };
  return decide({ ...host, ...change }, { rollouts, rules: NO_RULES }, now);
}

describe('a release that failed on the host', () => {
  it('is not offered, but an older one is that did not', () => {
    expect(answer({ failed: [FAILED] })).toMatchObject({ decision: 'stay', reason: 'failed' });
    const older = startedRollout(releaseOf('1.0.5'));
    expect(answer({ failed: [FAILED] }, [ROLLOUT, older])).toMatchObject({
      ...{ decision: 'update', release: { version: '1.0.5' } },
    });
  });

  it('is not offered on a way back either', () => {
    const back = rolloutAfter(ROLLOUT, rollBackVerb(ROLLOUT, releaseOf('1.0.0'), after(1)));
    const failed = [{ ...FAILED, version: '1.0.0' }];
    expect(answer({ version: '1.1.0', failed }, [back])).toMatchObject({ reason: 'failed' });
    expect(answer({ version: '1.1.0', failed: [FAILED] }, [back])).toMatchObject({
      direction: 'rollback',
    });
  });

  it('is offered in a later attempt of its rollout', () => {
    const retried = rolloutAfter(ROLLOUT, verbOf('retry', ROLLOUT, after(1)));
    expect(answer({ failed: [FAILED] }, [retried])).toMatchObject({ decision: 'update' });
  });

  it('is offered when the host tries it again by itself, and no sooner', () => {
    const failed = [{ ...FAILED, retryAt: after(HOUR_MS) }];
    expect(answer({ failed })).toMatchObject({ reason: 'failed', eligibleAt: after(HOUR_MS) });
    expect(answer({ failed }, [ROLLOUT], after(HOUR_MS))).toMatchObject({ decision: 'update' });
  });
});
