import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nextCheckInSeconds } from '../../server/check-in-interval.ts';
import { loadFactor } from '../../server/load-meter.ts';

const NOW = new Date('2026-03-01T12:00:00Z');
const PACE = { minMs: 60_000, maxMs: 900_000, now: NOW };

function stay(eligibleInMs: number | null) {
  const eligibleAt = eligibleInMs === null ? null : new Date(NOW.getTime() + eligibleInMs);
  return { decision: 'stay', reason: 'not-yet', rolloutId: 'r', eligibleAt } as const;
}

const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('nextCheckInSeconds', () => {
  it('is at most the longest interval, and jittered over its last quarter', () => {
    const at = (random: number) => nextCheckInSeconds(stay(null), { ...PACE, load: 1, random });
    expect([at(0), at(0.5), at(0.999)]).toEqual([675, 788, 900]);
  });

  it('is soon after the host is let through', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 600_000 }), randoms, (waitMs, random) => {
        const seconds = nextCheckInSeconds(stay(waitMs), { ...PACE, load: 1, random });
        expect(seconds * 1000).toBeGreaterThanOrEqual(waitMs);
        expect(seconds * 1000).toBeLessThanOrEqual(waitMs + 90_000 + 1000);
      }),
      { seed: 1 },
    );
  });

  it('spreads hosts that are let through in the same instant', () => {
    const at = (random: number) => nextCheckInSeconds(stay(10_000), { ...PACE, load: 1, random });
    expect([at(0), at(0.5), at(0.999)]).toEqual([10, 55, 100]);
  });

  it('is what agents accept, whatever the load and the eligibility', () => {
    const waits = fc.oneof(fc.constant(null), fc.integer({ min: -1e12, max: 1e12 }));
    const loads = fc.double({ min: 1, max: 4, noNaN: true });
    fc.assert(
      fc.property(waits, loads, randoms, (wait, load, random) => {
        const seconds = nextCheckInSeconds(stay(wait), { ...PACE, load, random });
        expect(Number.isInteger(seconds) && seconds >= 1 && seconds <= 86_400).toBe(true);
      }),
      { seed: 2 },
    );
  });

  it('is longer under load', () => {
    const at = (load: number) => nextCheckInSeconds(stay(null), { ...PACE, load, random: 0 });
    expect([at(1), at(2), at(4)]).toEqual([675, 1350, 2700]);
  });
});

describe('loadFactor', () => {
  it('rises only when the event loop is busy', () => {
    expect([0, 0.5, 0.7, 0.85, 1, 2].map((share) => Math.round(loadFactor(share) * 10))).toEqual([
      10, 10, 10, 25, 40, 40,
    ]);
  });
});
