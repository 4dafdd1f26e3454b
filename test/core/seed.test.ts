import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isSeed, SEED_COUNT, seedInRollout, seedOfHost } from '../../core/seed.ts';

describe('seedOfHost', () => {
  it('is the same for the same id for ever', () => {
    expect(seedOfHost('host-1')).toBe(seedOfHost('host-1'));
    expect([seedOfHost('host-1'), seedOfHost('host-2')]).toEqual([1869, 1235]);
  });

  it('is a seed for every id', () => {
    fc.assert(
      fc.property(fc.string(), (id) => isSeed(seedOfHost(id))),
      { seed: 1 },
    );
  });

  it('spreads a fleet evenly: no eighth of the seeds holds 2 % more or less than its share', () => {
    const eighths = Array.from({ length: 8 }, () => 0);
    const hosts = 80_000;
    for (let index = 0; index < hosts; index += 1) {
      const eighth = Math.floor((seedOfHost(`host-${index}`) * 8) / SEED_COUNT);
      eighths[eighth] = (eighths[eighth] ?? 0) + 1;
    }
    eighths.forEach((count) => {
      expect(Math.abs(count / hosts - 1 / 8)).toBeLessThan(0.02 / 8);
    });
  });
});

describe('seedInRollout', () => {
  it('orders the same hosts differently in two rollouts', () => {
    const hosts = Array.from({ length: 50 }, (_, index) => `host-${index}`);
    const order = (rollout: string) =>
      hosts.toSorted((a, b) => seedInRollout(rollout, a) - seedInRollout(rollout, b));
    expect(order('first')).not.toEqual(order('second'));
    expect(order('first')).toEqual(order('first'));
  });
});

describe('isSeed', () => {
  it.each([
    [0, true],
    [2047, true],
    [2048, false],
    [-1, false],
    [1.5, false],
    [Number.NaN, false],
  ])('%p -> %p', (value, expected) => {
    expect(isSeed(value)).toBe(expected);
  });
});
