import { describe, expect, it } from '@jest/globals';
import { ceilingOf, limitsOf } from '../../../core/fleet/limit.ts';
import { readRules } from '../../../core/fleet/read-rules.ts';

const RULES = readRules({
  groups: [{ name: 'prod', concurrency: [{ limit: 3 }, { limit: '10 %', per: 'zone' }] }],
});

describe('limitsOf', () => {
  const keys = (group: string, labels: Record<string, string> = {}) =>
    limitsOf({ id: 'a', group, labels }, RULES).map(({ key }) => key);

  it('gives a host one key for its group and one for its value of each label', () => {
    expect(keys('prod', { zone: 'a' })).toEqual(['["prod"]', '["prod","zone","a"]']);
    expect(keys('prod', { zone: 'b' })[1]).not.toBe(keys('prod', { zone: 'a' })[1]);
  });

  it('lets hosts without the label share a key that no value can take', () => {
    expect(keys('prod')[1]).toBe(keys('prod', { rack: '7' })[1]);
    expect(keys('prod')[1]).not.toBe(keys('prod', { zone: 'null' })[1]);
  });

  it('limits nobody outside of the group', () => {
    expect(keys('test')).toEqual([]);
  });
});

describe('ceilingOf', () => {
  it.each([
    { limit: { kind: 'count', count: 3 } as const, members: 1000, ceiling: 3 },
    { limit: { kind: 'share', percent: 10 } as const, members: 29, ceiling: 2 },
    { limit: { kind: 'share', percent: 10 } as const, members: 3, ceiling: 1 },
    { limit: { kind: 'share', percent: 100 } as const, members: 7, ceiling: 7 },
  ])('is $ceiling of $members hosts by $limit', ({ limit, members, ceiling }) => {
    expect(ceilingOf(limit, members)).toBe(ceiling);
  });
});
