import { describe, expect, it } from '@jest/globals';
import { isLater } from '../../../adapters/state/progress.ts';

describe('isLater', () => {
  const updatedAt5 = { progress: 'updated', decidedAt: 5 } as const;

  it.each([
    { case: 'no standing yet', before: null, expected: true },
    {
      case: 'an offer with a later time',
      before: { progress: 'offered', decidedAt: 99 } as const,
      expected: true,
    },
    {
      case: 'an outcome before it',
      before: { progress: 'rolled-back', decidedAt: 4 } as const,
      expected: true,
    },
    {
      case: 'an outcome after it',
      before: { progress: 'updated', decidedAt: 6 } as const,
      expected: false,
    },
    { case: 'the same outcome at the same time', before: updatedAt5, expected: false },
    {
      case: 'a worse outcome at the same time',
      before: { progress: 'failed', decidedAt: 5 } as const,
      expected: false,
    },
  ])('of an update against $case: $expected', ({ before, expected }) => {
    expect(isLater(updatedAt5, before)).toBe(expected);
  });

  it('lets the worse of two outcomes at the same time stand', () => {
    expect(isLater({ progress: 'failed', decidedAt: 5 }, updatedAt5)).toBe(true);
    expect(isLater({ progress: 'rolled-back', decidedAt: 5 }, updatedAt5)).toBe(true);
  });
});
