import { describe, expect, it } from '@jest/globals';
import { CheckInFigures } from '../../server/check-in-figures.ts';

function setup() {
  const counted: string[] = [];
  const took: number[] = [];
  const figures = new CheckInFigures({
    count: (decision, reason, times) => {
      counted.push(`${decision} ${reason} ${times}`);
    },
    took: (seconds) => {
      took.push(seconds);
    },
  });
  return { figures, counted, took };
}

describe('CheckInFigures', () => {
  it('gives what it has to the metrics when somebody reads them, once', () => {
    const { figures, counted, took } = setup();
    figures.add('stay', 'paused', 1);
    figures.add('update', 'forward', 2);
    figures.add('stay', 'paused', 3);
    expect(counted).toEqual([]);
    figures.flush();
    figures.flush();
    expect(counted).toEqual(['stay paused 2', 'update forward 1']);
    expect(took).toEqual([1, 2, 3]);
  });

  it('keeps no more than a batch aside', () => {
    const { figures, counted, took } = setup();
    for (let count = 0; count < 1025; count += 1) figures.add('stay', 'not-yet', count);
    expect(counted).toEqual(['stay not-yet 512', 'stay not-yet 512']);
    expect(took).toHaveLength(1024);
    figures.flush();
    expect(took.at(-1)).toBe(1024);
  });
});
