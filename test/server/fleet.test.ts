import { describe, expect, it } from '@jest/globals';
import { planInForce } from '../../server/fleet.ts';
import {
  planOf,
  releaseOf,
  START,
  startedRollout,
  startVerb,
  verbOf,
} from '../support/rollouts.ts';

describe('planInForce', () => {
  const release = releaseOf('1.1.0');
  const rollout = startedRollout(release);

  it('applies pending verbs in their order', () => {
    const paused = verbOf('pause', rollout, START);
    const resumed = verbOf('resume', rollout, START);
    expect(planInForce(planOf([rollout]), [paused, resumed]).rollouts[0]?.state).toBe('running');
    expect(planInForce(planOf([]), [startVerb(release), paused]).rollouts[0]?.state).toBe('paused');
  });

  it('changes nothing by verbs that are committed already', () => {
    const paused = verbOf('pause', rollout, START);
    const committed = planInForce(planOf([rollout]), [paused]);
    expect(planInForce(committed, [paused])).toEqual(committed);
  });

  it('passes over verbs that are not legal any more', () => {
    const withdrawn = verbOf('withdraw', rollout, START);
    const paused = verbOf('pause', rollout, START);
    const [after] = planInForce(planOf([rollout]), [withdrawn, paused]).rollouts;
    expect(after?.state).toBe('withdrawn');
  });
});
