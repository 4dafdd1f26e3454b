import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import type { Waves } from '../../../core/bottlerocket/manifest.ts';
import { formatNanoseconds, MAX_INSTANT } from '../../../core/bottlerocket/nanoseconds.ts';
import type { Nanoseconds } from '../../../core/bottlerocket/nanoseconds.ts';
import { parseRelaxedTime } from '../../../core/bottlerocket/relaxed-time.ts';
import { readyAt, updateReady, updateWave } from '../../../core/bottlerocket/update-ready.ts';
import { at, codeOf, MS, START, wavesAt } from './updog-samples.ts';

const MAX_SEED = 2048;

const vectorsSchema = z.object({
  policies: z.record(
    z.string(),
    z.object({
      manifest_waves: z.record(z.string(), z.string()),
      seeds: z.record(z.string(), z.object({ ready_at: z.string().nullable() })),
    }),
  ),
});
const fixture = new URL('../../fixtures/updog-wave-vectors.json', import.meta.url);
const { policies } = vectorsSchema.parse(JSON.parse(await readFile(fixture, 'utf8')));
const vectors = Object.entries(policies).flatMap(([policy, { manifest_waves, seeds }]) => {
  const waves = Object.entries(manifest_waves).map(([bound, time]): Waves[number] => [
    Number(bound),
    parseRelaxedTime(time),
  ]);
  return Object.entries(seeds).map(([seed, { ready_at }]) => ({
    policy,
    waves,
    seed: Number(seed),
    expected: ready_at,
  }));
});

/** The formula in one line: min(end, max(start, start + step * seed)). */
function closedForm(start: Waves[number], end: Waves[number], seed: number): Nanoseconds {
  const count = BigInt(end[0] - start[0]);
  const duration = end[1] - start[1];
  const carry = (duration / 1_000_000_000n) % count;
  const step =
    (duration / 1_000_000_000n / count) * 1_000_000_000n +
    (carry * 1_000_000_000n) / count +
    (duration % 1_000_000_000n) / count;
  const target = start[1] + step * BigInt(seed);
  const notBefore = target > start[1] ? target : start[1];
  return notBefore < end[1] ? notBefore : end[1];
}

/** Ready at `instant` and not a nanosecond earlier. */
function expectReadyFrom(waves: Waves, seed: number, instant: Nanoseconds): void {
  expect(readyAt({ waves }, seed)).toBe(instant);
  expect(updateReady({ waves }, seed, instant)).toBe(true);
  expect(updateReady({ waves }, seed, instant - 1n)).toBe(false);
}

describe('the published vectors', () => {
  it('are all there', () => {
    expect(vectors).toHaveLength(124);
  });

  it.each(vectors)('$policy, seed $seed is ready at $expected', ({ waves, seed, expected }) => {
    if (expected !== null) {
      expect(formatNanoseconds(readyAt({ waves }, seed) ?? 0n)).toBe(expected);
      expectReadyFrom(waves, seed, parseRelaxedTime(expected));
      return;
    }
    expect(readyAt({ waves }, seed)).toBeNull();
    expect(updateReady({ waves }, seed, at('1970-01-01T00:00:00Z'))).toBe(true);
  });
});

describe('updateReady', () => {
  it('is ready without waves', () => {
    expect(updateReady({ waves: [] }, 100, START)).toBe(true);
    expect(readyAt({ waves: [] }, 100)).toBeNull();
  });

  it('gives each seed of a single wave its own millisecond', () => {
    const waves = wavesAt({
      0: 0,
      [MAX_SEED]: MAX_SEED,
    });
    // 2 s / 2048 and 48 ms / 2048 are truncated apart: a step is a nanosecond short of its millisecond.
    for (let seed = 1; seed <= MAX_SEED; seed += 1) {
      expectReadyFrom(waves, seed, START + BigInt(seed) * (MS - 1n));
    }
  });

  const FOUR_WAVES = wavesAt({
    0: 0,
    50: 200,
    100: 1024,
    1024: 4096,
  });

  it('holds a seed of the second wave to the end of its wave, because it counts from seed 0', () => {
    // 200 ms + 60 * 824 ms / 50 would be 1188.8 ms, after the wave.
    expectReadyFrom(FOUR_WAVES, 60, START + 1024n * MS);
  });

  it('spreads the third wave from its start by the absolute seed', () => {
    // 1024 ms + 148 * 3072 ms / 924, the step truncated to whole nanoseconds.
    const step = (3072n * MS) / 924n;
    expectReadyFrom(FOUR_WAVES, 148, START + 1024n * MS + 148n * step);
    expect((1024n * MS + 148n * step) / 10_000n).toBe(151_605n);
  });

  it('opens the last wave at once', () => {
    const hour = 3_600_000;
    const waves = wavesAt({
      0: -3 * hour,
      256: -2 * hour,
      512: -hour,
    });
    expect(updateReady({ waves }, 1024, START)).toBe(true);
    for (const seed of [513, 1024, 2047, 2048]) {
      expectReadyFrom(waves, seed, START - BigInt(hour) * MS);
    }
  });

  it('lets seed 0 through before the start', () => {
    expect(updateReady({ waves: FOUR_WAVES }, 0, at('1970-01-01T00:00:00Z'))).toBe(true);
    expect(readyAt({ waves: FOUR_WAVES }, 0)).toBeNull();
  });

  it('counts a seed that is a bound to the wave that ends there', () => {
    expectReadyFrom(FOUR_WAVES, 50, START + 200n * MS);
    // One seed later the next wave has begun: 200 ms + 51 * 16.48 ms.
    expectReadyFrom(FOUR_WAVES, 51, START + 1024n * MS);
    expectReadyFrom(FOUR_WAVES, 1024, START + 4096n * MS);
    expectReadyFrom(FOUR_WAVES, 1025, START + 4096n * MS);
  });

  it('never ends a wave at a bound above 2048', () => {
    const waves = wavesAt({
      0: 0,
      858_993_459: 1000,
    });
    expectReadyFrom(waves, 1, START);
    expectReadyFrom(waves, 2048, START);
    expect(readyAt({ waves: waves.slice(1) }, 2048)).toBeNull();
    expect(updateReady({ waves: waves.slice(1) }, 2048, START - 1n)).toBe(true);
  });

  it('panics at a seed above 2048, unless there are no waves', () => {
    for (const ask of [updateReady, readyAt, updateWave]) {
      expect(codeOf(() => ask({ waves: FOUR_WAVES }, 2049, START))).toBe('bottlerocket/seed-panic');
      expect(codeOf(() => ask({ waves: FOUR_WAVES }, 2048, START))).toBe('no error');
    }
    expect(updateReady({ waves: [] }, 4_294_967_295, START)).toBe(true);
  });

  it('panics inside a wave so long that a seed falls behind the last year', () => {
    const end = at('9000-01-01T00:00:00Z');
    const waves: Waves = [
      [2000, START],
      [2001, end],
    ];
    expect(updateReady({ waves }, 2001, START - 1n)).toBe(false);
    expect(codeOf(() => updateReady({ waves }, 2001, START))).toBe('bottlerocket/time-panic');
    expect(codeOf(() => updateReady({ waves }, 2001, end - 1n))).toBe('bottlerocket/time-panic');
    expect(updateReady({ waves }, 2001, end)).toBe(true);
    expect(readyAt({ waves }, 2001)).toBe(end);
  });

  it('is ready from the end of a wave that ends before it starts', () => {
    const waves = wavesAt({
      0: 5000,
      100: 1000,
    });
    expectReadyFrom(waves, 50, START + 1000n * MS);
  });

  it('loses a nanosecond where seconds and their fractions are divided apart', () => {
    // 2.999999999 s / 3: 0 s and 2/3 s of carry make 666666666 ns, 999999999 ns make 333333333 ns.
    const waves: Waves = [
      [0, START],
      [3, START + 2_999_999_999n],
    ];
    expectReadyFrom(waves, 1, START + 999_999_999n);
    expectReadyFrom(waves, 2, START + 1_999_999_998n);
  });

  it('is the closed form at every seed, from any waves, and once ready stays ready', () => {
    const instants = fc.bigInt({ min: START, max: START + 10n ** 16n });
    const waves = fc
      .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 3000 }), instants), {
        minLength: 1,
        maxLength: 8,
        selector: ([bound]) => bound,
      })
      .map((bounds) => bounds.toSorted(([a], [b]) => a - b));
    fc.assert(
      fc.property(waves, fc.integer({ min: 0, max: MAX_SEED }), instants, (bounds, seed, now) => {
        const start = bounds.findLast(([bound]) => bound < seed);
        const end = bounds.find(([bound]) => bound >= seed && bound <= MAX_SEED);
        const ready = readyAt({ waves: bounds }, seed);
        if (start === undefined) expect(ready).toBeNull();
        else if (end === undefined) expect(ready).toBe(start[1]);
        else if (end[1] > start[1]) expect(ready).toBe(closedForm(start, end, seed));
        else expect(ready).toBe(end[1]);
        for (const instant of [now, ready ?? now, (ready ?? now) - 1n]) {
          expect(updateReady({ waves: bounds }, seed, instant)).toBe(
            ready === null || instant >= ready,
          );
        }
      }),
      { seed: 3, numRuns: 2000 },
    );
  });

  it('knows the last instant of chrono', () => {
    const waves: Waves = [[0, MAX_INSTANT]];
    expectReadyFrom(waves, 1, MAX_INSTANT);
  });
});

describe('updateWave', () => {
  const waves = wavesAt({
    10: 0,
    20: 100,
    4000: 200,
  });
  const first = START;
  const second = START + 100n * MS;

  it.each([
    { seed: 0, wave: { kind: 'initial', endSeed: 10, endTime: first } },
    { seed: 10, wave: { kind: 'initial', endSeed: 10, endTime: first } },
    {
      seed: 11,
      wave: { kind: 'general', startSeed: 10, startTime: first, endSeed: 20, endTime: second },
    },
    {
      seed: 20,
      wave: { kind: 'general', startSeed: 10, startTime: first, endSeed: 20, endTime: second },
    },
    { seed: 21, wave: { kind: 'last', startSeed: 20, startTime: second } },
    { seed: 2048, wave: { kind: 'last', startSeed: 20, startTime: second } },
  ])('puts seed $seed into the $wave.kind wave', ({ seed, wave }) => {
    expect(updateWave({ waves }, seed)).toEqual(wave);
  });

  it('is nowhere without waves, or with bounds above 2048 only', () => {
    expect(updateWave({ waves: [] }, 5)).toBeNull();
    expect(updateWave({ waves: waves.slice(2) }, 5)).toBeNull();
  });
});
