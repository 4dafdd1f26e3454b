import { describe, expect, it } from '@jest/globals';
import { backoffMs, waitMsAfter } from '../../agent/daemon/run-forever.ts';
import { nextCheckInSeconds, phaseOf } from '../../server/check-in-interval.ts';

const HOSTS = 100_000;
const PHASES = Array.from({ length: HOSTS }, (_, index) => phaseOf(`host-${index}`));
const BIN_MS = 10_000;
const PACE = { minMs: 60_000, maxMs: 900_000, load: 1 };
const UP_TO_DATE = {
  decision: 'stay',
  reason: 'up-to-date',
  rolloutId: null,
  eligibleAt: null,
} as const;

/** A fixed sequence of numbers from 0 to 1 (mulberry32). */
function randomsFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Polls in each 10 s of the hours after a server came back at 0, of a fleet that polls as the agent does. `firstMs` is when a
 * host polls for the first time after that.
 */
function simulate(firstMs: (random: () => number) => number, hours: number): readonly number[] {
  const random = randomsFrom(7);
  const untilMs = hours * 3_600_000;
  const bins = Array.from({ length: untilMs / BIN_MS }, () => 0);
  const startMs = Date.parse('2026-03-01T12:00:00Z');
  for (const phase of PHASES) {
    for (let atMs = firstMs(random); atMs < untilMs;) {
      const bin = Math.floor(atMs / BIN_MS);
      bins[bin] = (bins[bin] ?? 0) + 1;
      const now = new Date(startMs + atMs);
      const seconds = nextCheckInSeconds(UP_TO_DATE, { ...PACE, now, random: random(), phase });
      atMs += waitMsAfter(seconds, 0, random);
    }
  }
  return bins;
}

/** When a host first gets through: it failed again and again since the server went away. */
function afterOutage(outageMs: number, random: () => number): number {
  let atMs = -outageMs + random() * 1000;
  for (let failures = 1; atMs < 0; failures += 1) atMs += backoffMs(failures, random);
  return atMs;
}

describe('a herd of 100,000 hosts', () => {
  it.each([
    { case: 'all in the first second', firstMs: (random: () => number) => random() * 1000 },
    {
      case: 'after an outage of a minute, by the backoff of the agent',
      firstMs: (random: () => number) => afterOutage(60_000, random),
    },
    {
      case: 'after an outage of two hours, by the backoff of the agent',
      firstMs: (random: () => number) => afterOutage(7_200_000, random),
    },
  ])('polls at an even rate after one interval: $case', ({ firstMs }) => {
    const bins = simulate(firstMs, 1.5);
    const herd = Math.max(...bins.slice(0, 90));
    // Everybody is back within 22.5 minutes of backoff, and has its place one longest interval later.
    const steady = bins.slice(((22.5 + 15) * 60_000) / BIN_MS);
    const mean = steady.reduce((sum, count) => sum + count, 0) / steady.length;
    expect(mean).toBeGreaterThan((HOSTS * BIN_MS) / 900_000);
    expect(mean).toBeLessThan((HOSTS * BIN_MS) / 700_000);
    expect(Math.max(...steady) / mean).toBeLessThan(1.2);
    expect(Math.min(...steady) / mean).toBeGreaterThan(0.8);
    expect(herd).toBeGreaterThan(mean);
  });
});
