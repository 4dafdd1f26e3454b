import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nextCheckInSeconds, phaseOf, retryAfterSeconds } from '../../server/check-in-interval.ts';
import { loadFactor } from '../../server/load-meter.ts';

const NOW = new Date('2026-03-01T12:00:00Z');
const PACE = { minMs: 60_000, maxMs: 900_000, now: NOW, phase: 0.5 };

function stay(eligibleInMs: number | null) {
  const eligibleAt = eligibleInMs === null ? null : new Date(NOW.getTime() + eligibleInMs);
  return { decision: 'stay', reason: 'not-yet', rolloutId: 'r', eligibleAt } as const;
}

const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('nextCheckInSeconds', () => {
  it('brings every host back in its own place, each once in 7/8 of the longest interval', () => {
    const at = (phase: number) =>
      nextCheckInSeconds(stay(null), { ...PACE, load: 1, random: 0.5, phase });
    const waits = Array.from({ length: 1000 }, (_, index) => at(index / 1000));
    expect([Math.min(...waits), Math.max(...waits)]).toEqual([113, 900]);
    const tenths = waits.map((wait) => Math.floor(((wait - 113) * 10) / 788));
    const sizes = [...Map.groupBy(tenths, (tenth) => tenth).values()].map(({ length }) => length);
    expect(Math.min(...sizes)).toBeGreaterThan(95);
  });

  it.each([-60_000, -1000, 0, 1000, 60_000])(
    'keeps a host in its place although it comes %d ms late',
    (lateMs) => {
      const later = (now: Date) => {
        const seconds = nextCheckInSeconds(stay(null), { ...PACE, now, load: 1, random: 0.5 });
        return now.getTime() + seconds * 1000;
      };
      const place = later(NOW);
      const next = later(new Date(place + lateMs));
      expect(Math.abs(next - place - 787_500)).toBeLessThanOrEqual(1000);
    },
  );

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
    const mean = (load: number) => {
      const waits = Array.from({ length: 1000 }, (_, index) =>
        nextCheckInSeconds(stay(null), { ...PACE, load, random: 0, phase: index / 1000 }),
      );
      return Math.round(waits.reduce((sum, wait) => sum + wait, 0) / waits.length);
    };
    expect([mean(1), mean(2), mean(4)]).toEqual([506, 1012, 2024]);
  });
});

describe('loadFactor', () => {
  it('rises only when the event loop is busy', () => {
    expect([0, 0.5, 0.7, 0.85, 1, 2].map((share) => Math.round(loadFactor(share) * 10))).toEqual([
      10, 10, 10, 25, 40, 40,
    ]);
  });
});

describe('retryAfterSeconds', () => {
  it('differs from client to client, and grows under load', () => {
    const at = (load: number, random: number) => retryAfterSeconds({ load, random });
    expect([at(1, 0), at(1, 0.5), at(1, 0.999), at(4, 0)]).toEqual([5, 10, 15, 20]);
  });
});

describe('phaseOf', () => {
  it('is the same for a host always, and another one for its neighbours', () => {
    expect(phaseOf('host-1')).toBe(phaseOf('host-1'));
    const phases = new Set(Array.from({ length: 1000 }, (_, index) => phaseOf(`host-${index}`)));
    expect(phases.size).toBeGreaterThan(750);
    expect(Math.min(...phases)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...phases)).toBeLessThan(1);
  });
});
