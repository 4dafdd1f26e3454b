import { describe, expect, it } from '@jest/globals';
import { killAgain } from '../support/kill-agent.ts';

describe('an agent that is killed at its fsyncs', () => {
  it('always leaves a whole release active, finishes the job, and reports it once', async () => {
    let killAt = 0;
    // Every fsync of an update in turn, as far as it goes; each life goes on where the last one died.
    const story = await killAgain(25, () => {
      killAt = (killAt % 24) + 1;
      return killAt;
    });
    expect(story.kills).toBe(25);
    expect(story.everyKillPoint.size).toBeGreaterThan(12);
    const expected = Array.from({ length: story.updates }, (_, n) => [`updated 1.${n + 1}.0`, 1]);
    expect(story.reported).toEqual(Object.fromEntries(expected));
  });
});
