import { describe, expect, it } from '@jest/globals';
import { killAgain } from '../support/kill-agent.ts';

/** A small generator of our own, so that every run kills at the same places. */
function fromSeed(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('an agent that is killed 200 times', () => {
  it('always leaves a whole release active, finishes every job, and reports each once', async () => {
    const random = fromSeed(20_261_124);
    const story = await killAgain(200, () => 1 + Math.floor(random() * 36));
    expect(story.kills).toBe(200);
    expect(story.everyKillPoint.size).toBeGreaterThan(25);
    const expected = Array.from({ length: story.updates }, (_, n) => [`updated 1.${n + 1}.0`, 1]);
    expect(story.reported).toEqual(Object.fromEntries(expected));
  }, 900_000);
});
