import { describe, expect, it } from '@jest/globals';
import { rolloutsInForce } from '../../server/fleet.ts';
import { releaseOf, START, startedRollout, startVerb, verbOf } from '../support/rollouts.ts';

describe('rolloutsInForce', () => {
  const release = releaseOf('1.1.0');
  const rollout = startedRollout(release);

  it('applies pending verbs in their order', () => {
    const paused = verbOf('pause', rollout, START);
    const resumed = verbOf('resume', rollout, START);
    expect(rolloutsInForce([rollout], [paused, resumed])[0]?.state).toBe('running');
    expect(rolloutsInForce([], [startVerb(release), paused])[0]?.state).toBe('paused');
  });

  it('changes nothing by verbs that are committed already', () => {
    const paused = verbOf('pause', rollout, START);
    const committed = rolloutsInForce([rollout], [paused]);
    expect(rolloutsInForce(committed, [paused])).toEqual(committed);
  });

  it('passes over verbs that are not legal any more', () => {
    const withdrawn = verbOf('withdraw', rollout, START);
    const paused = verbOf('pause', rollout, START);
    const [after] = rolloutsInForce([rollout], [withdrawn, paused]);
    expect(after?.state).toBe('withdrawn');
  });
});
