import { describe, expect, it } from '@jest/globals';
import { formatVerb, parseVerb } from '../../core/verb-json.ts';
import {
  after,
  DEFAULT_WAVES,
  releaseOf,
  rollBackVerb,
  startedRollout,
  startVerb,
  verbOf,
} from '../support/rollouts.ts';

describe('parseVerb', () => {
  const rollout = startedRollout(releaseOf('1.1.0'));

  it.each([
    { verb: startVerb(releaseOf('1.1.0'), { policy: DEFAULT_WAVES, startAt: after(1250) }) },
    { verb: verbOf('pause', rollout, after(1)) },
    { verb: rollBackVerb(rollout, releaseOf('1.0.0'), after(1)) },
  ])('reads back a $verb.kind as it was written', ({ verb }) => {
    expect(parseVerb(formatVerb(verb))).toEqual(verb);
  });

  it('refuses what it did not write', () => {
    expect(() => parseVerb('{"kind":"pause"}')).toThrow('Invalid');
  });
});
