import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Waves } from '../../../core/bottlerocket/manifest.ts';
import { nanosecondsOf } from '../../../core/bottlerocket/nanoseconds.ts';
import { updateReady } from '../../../core/bottlerocket/update-ready.ts';
import { setWaves } from '../../../core/bottlerocket/set-waves.ts';
import { compareRises } from '../../../core/import/rise.ts';
import { policyOfWaves } from '../../../core/import/waves-to-policy.ts';
import { policySchema } from '../../../core/rollout.ts';
import { tideAt } from '../../../core/tide.ts';
import {
  after,
  DAY_MS,
  DEFAULT_WAVES,
  HOUR_MS,
  releaseOf,
  START,
  startedRollout,
} from '../../support/rollouts.ts';

function wavesOf(...waves: readonly (readonly [number, number])[]): Waves {
  return waves.map(([bound, ms]) => [bound, nanosecondsOf(after(ms))]);
}

function converted(waves: Waves, now = START) {
  const result = policyOfWaves(waves, now);
  if (result.kind !== 'policy') throw new Error(result.reason);
  return result;
}

function rolloutOf(waves: Waves) {
  const { policy, startAt } = converted(waves);
  const rollout = startedRollout(releaseOf('1.1.0'), { policy, startAt });
  if (rollout.runningSince === null) throw new Error('it does not run');
  return { ...rollout, runningSince: rollout.runningSince };
}

const DEFAULT = setWaves(
  DEFAULT_WAVES.waves.map(({ opensAtMs, percentage }) => ({
    startAfter: `${opensAtMs / HOUR_MS} hours`,
    fleetPercentage: percentage,
  })),
  nanosecondsOf(START),
);

describe('policyOfWaves', () => {
  it('gives back the policy that pubsys made the waves of', () => {
    const { policy, startAt, bounds, moved } = converted(DEFAULT);
    expect(startAt).toEqual(after(HOUR_MS));
    expect(bounds).toEqual([]);
    expect(moved).toEqual([]);
    const expected = DEFAULT_WAVES.waves.map(({ opensAtMs, ...wave }) => ({
      ...wave,
      opensAtMs: opensAtMs - HOUR_MS,
    }));
    expect(policy.waves).toEqual(expected);
  });

  it('says which bounds are no whole percentage', () => {
    expect(converted(wavesOf([0, 0], [30, HOUR_MS], [1024, DAY_MS])).bounds).toEqual([
      { bound: 30, seeds: 20 },
    ]);
  });

  it('takes the later instant where two bounds fall into one percentage', () => {
    const { policy, startAt } = converted(wavesOf([0, 0], [5, DAY_MS]));
    expect(startAt).toEqual(after(DAY_MS));
    expect(policy.waves).toEqual([{ opensAtMs: 0, percentage: 100, gate: null, rampMs: 0 }]);
  });

  it('ends with a ramp where the last bound is the whole fleet', () => {
    const rollout = rolloutOf(wavesOf([0, 0], [2048, 2 * DAY_MS]));
    expect(tideAt(rollout, after(DAY_MS))).toBe(1024);
    expect(tideAt(rollout, after(2 * DAY_MS))).toBe(2048);
  });

  it('lets the first bound through at once where it is not 0', () => {
    const rollout = rolloutOf(wavesOf([1024, 0], [1843, DAY_MS]));
    expect(tideAt(rollout, after(0))).toBe(1024);
    expect(tideAt(rollout, after(DAY_MS))).toBe(2048);
  });

  it.each([
    { case: 'no waves', waves: wavesOf() },
    { case: 'bounds above 2048 only', waves: wavesOf([2049, DAY_MS]) },
    { case: 'a first bound of 2048', waves: wavesOf([2048, DAY_MS]) },
  ])('is everyone at once for $case', ({ waves }) => {
    const { policy, startAt } = converted(waves, after(5));
    expect(startAt).toEqual(after(5));
    expect(policy.waves).toEqual([{ opensAtMs: 0, percentage: 100, gate: null, rampMs: 0 }]);
  });

  it('moves what goes back in time behind the bound before', () => {
    const { policy, moved } = converted(wavesOf([0, DAY_MS], [1024, 0]));
    expect(moved).toEqual([1024]);
    expect(policy.waves.map(({ opensAtMs }) => opensAtMs)).toEqual([0, 1]);
  });

  it('refuses instants that a manifest cannot write', () => {
    const waves: Waves = [[0, nanosecondsOf(new Date(Date.UTC(10_000, 0)))]];
    expect(policyOfWaves(waves, START).kind).toBe('inexpressible');
  });

  it('makes a well-formed policy of any waves', () => {
    const wave = fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: DAY_MS }));
    fc.assert(
      fc.property(fc.uniqueArray(wave, { selector: ([bound]) => bound }), (pairs) => {
        const { policy } = converted(wavesOf(...pairs.toSorted(([a], [b]) => a - b)));
        expect(policySchema.safeParse(policy).success).toBe(true);
        expect(policy.waves.at(-1)?.percentage).toBe(100);
      }),
    );
  });
});

describe('compareRises', () => {
  it('finds the fifth of the fleet by which the default waves of Bottlerocket stay behind their line', () => {
    const { tide, line } = compareRises(DEFAULT, rolloutOf(DEFAULT));
    // 60 % to 90 % in the last wave but one: the line has let 30 % through when updog still holds them all.
    expect(tide.earlier.seeds).toBeGreaterThan(600);
    expect(tide.earlier.seeds).toBeLessThanOrEqual(615);
    expect(tide.later.seeds).toBeLessThanOrEqual(1);
    expect(line.earlier.seeds).toBeLessThanOrEqual(1);
    expect(line.later.seeds).toBeLessThanOrEqual(1);
  });

  it('is exact for everyone at once, but for seed 0 that never waits', () => {
    const waves = wavesOf([0, HOUR_MS]);
    expect(compareRises(waves, rolloutOf(waves)).tide).toEqual({
      earlier: { seeds: 0, at: null },
      later: { seeds: 1, at: null },
    });
  });

  it('counts at any instant what it says at most, for any rising waves', () => {
    const gaps = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: DAY_MS })),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(gaps, fc.integer({ min: 0, max: 6 * DAY_MS }), (steps, ms) => {
        let bound = -1;
        let at = 0;
        const waves = wavesOf(
          ...steps.map(([seeds, gap]) => [(bound += seeds), (at += gap)] as const),
        ).filter(([seed]) => seed <= 2048);
        const rollout = rolloutOf(waves);
        const { tide } = compareRises(waves, rollout);
        const now = after(ms);
        const theirs = countReady(waves, nanosecondsOf(now));
        const difference = tideAt(rollout, now) - theirs;
        expect(difference).toBeLessThanOrEqual(tide.earlier.seeds);
        expect(-difference).toBeLessThanOrEqual(tide.later.seeds);
      }),
    );
  });
});

function countReady(waves: Waves, now: bigint): number {
  let count = 0;
  for (let seed = 0; seed < 2048; seed += 1) if (updateReady({ waves }, seed, now)) count += 1;
  return count;
}
