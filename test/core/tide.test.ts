import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SEED_COUNT } from '../../core/seed.ts';
import { clockAt, gateAt, opensFor, tideAt } from '../../core/tide.ts';
import {
  after,
  DAY_MS,
  DEFAULT_WAVES,
  gateOf,
  HOUR_MS,
  policies,
  policyOf,
  releaseOf,
  rolloutAfter,
  START,
  startedRollout,
  verbOf,
} from '../support/rollouts.ts';

const RELEASE = releaseOf('1.1.0');
const instants = fc.integer({ min: 0, max: 40 * DAY_MS });

function running(policy = DEFAULT_WAVES) {
  return startedRollout(RELEASE, { policy });
}

describe('tideAt', () => {
  it.each([
    { case: 'nobody before the first wave opens', atMs: HOUR_MS - 1, seeds: 0 },
    { case: 'nobody in the instant the first wave opens', atMs: HOUR_MS, seeds: 0 },
    { case: 'half of the first wave half way to the second', atMs: 2.5 * HOUR_MS, seeds: 10 },
    { case: 'the first percentage when the second wave opens', atMs: 4 * HOUR_MS, seeds: 20 },
    { case: 'half way between 15 % and 40 %', atMs: 3 * DAY_MS, seeds: 563 },
    { case: '90 % just before the last wave', atMs: 6 * DAY_MS - 1, seeds: 1842 },
    { case: 'everyone the instant the last wave opens', atMs: 6 * DAY_MS, seeds: 2048 },
    { case: 'everyone for ever', atMs: 600 * DAY_MS, seeds: 2048 },
  ])('lets through $case', ({ atMs, seeds }) => {
    expect(tideAt(running(), after(atMs))).toBe(seeds);
  });

  it('lets everyone through at once without a policy, but not before the start', () => {
    const rollout = startedRollout(RELEASE, { startAt: after(HOUR_MS) });
    expect(tideAt(rollout, after(HOUR_MS - 1))).toBe(0);
    expect(tideAt(rollout, after(HOUR_MS))).toBe(SEED_COUNT);
  });

  it('stops at a last percentage below 100', () => {
    const rollout = running(
      policyOf([
        [0, 10],
        [HOUR_MS, 60],
      ]),
    );
    expect(tideAt(rollout, after(100 * DAY_MS))).toBe(1228);
  });

  it('rises in a line after the last opening when the last wave has a ramp', () => {
    const [first, last] = policyOf([
      [0, 50],
      [HOUR_MS, 100],
    ]).waves;
    if (first === undefined || last === undefined) throw new Error('two waves');
    const rollout = running({
      ...DEFAULT_WAVES,
      waves: [first, { ...last, rampMs: 2 * HOUR_MS }],
    });
    expect(tideAt(rollout, after(HOUR_MS))).toBe(1024);
    expect(tideAt(rollout, after(2 * HOUR_MS))).toBe(1536);
    expect(tideAt(rollout, after(3 * HOUR_MS))).toBe(2048);
  });

  it('waits at a gate until a person advances it', () => {
    const policy = policyOf([
      [0, 10],
      [HOUR_MS, 50, gateOf({ needsApproval: true })],
      [2 * HOUR_MS, 100],
    ]);
    const rollout = running(policy);
    expect(tideAt(rollout, after(90 * DAY_MS))).toBe(204);
    expect(gateAt(rollout, after(90 * DAY_MS))).toMatchObject({ index: 1 });
    const opened = rolloutAfter(rollout, verbOf('advance', rollout, after(90 * DAY_MS)));
    expect(tideAt(opened, after(90 * DAY_MS))).toBe(204);
    expect(tideAt(opened, after(90 * DAY_MS + HOUR_MS))).toBe(2048);
  });

  it('stands still through a soak and shifts the rest by it', () => {
    const soak = gateOf({ soakMs: 5 * HOUR_MS });
    const rollout = running(
      policyOf([
        [0, 10],
        [HOUR_MS, 50, soak],
        [2 * HOUR_MS, 100],
      ]),
    );
    expect([1, 3, 6].map((hours) => tideAt(rollout, after(hours * HOUR_MS)))).toEqual([
      204, 204, 204,
    ]);
    expect(tideAt(rollout, after(7 * HOUR_MS))).toBe(2048);
  });

  it('never falls while the rollout runs', () => {
    fc.assert(
      fc.property(policies(), instants, instants, (policy, a, b) => {
        const rollout = running(policy);
        const [early, late] = [Math.min(a, b), Math.max(a, b)];
        expect(tideAt(rollout, after(early))).toBeLessThanOrEqual(tideAt(rollout, after(late)));
      }),
      { seed: 2, numRuns: 2000 },
    );
  });

  it('is constant while the rollout is paused', () => {
    fc.assert(
      fc.property(policies(), instants, instants, (policy, pauseMs, laterMs) => {
        const rollout = running(policy);
        const paused = rolloutAfter(rollout, verbOf('pause', rollout, after(pauseMs)));
        const tide = tideAt(rollout, after(pauseMs));
        expect(tideAt(paused, after(pauseMs))).toBe(tide);
        expect(tideAt(paused, after(pauseMs + laterMs))).toBe(tide);
      }),
      { seed: 3, numRuns: 1000 },
    );
  });

  it('continues after a resume on the old curve, shifted by exactly the pause', () => {
    fc.assert(
      fc.property(policies(), instants, instants, instants, (policy, pauseMs, gapMs, laterMs) => {
        const rollout = running(policy);
        const resumed = rolloutAfter(
          rollout,
          verbOf('pause', rollout, after(pauseMs)),
          verbOf('resume', rollout, after(pauseMs + gapMs)),
        );
        expect(tideAt(resumed, after(pauseMs + gapMs + laterMs))).toBe(
          tideAt(rollout, after(pauseMs + laterMs)),
        );
      }),
      { seed: 4, numRuns: 1000 },
    );
  });

  it('delays a scheduled start by the pause before it', () => {
    const rollout = startedRollout(RELEASE, { startAt: after(2 * HOUR_MS) });
    const resumed = rolloutAfter(
      rollout,
      verbOf('pause', rollout, after(HOUR_MS)),
      verbOf('resume', rollout, after(4 * HOUR_MS)),
    );
    expect(tideAt(resumed, after(5 * HOUR_MS - 1))).toBe(0);
    expect(tideAt(resumed, after(5 * HOUR_MS))).toBe(SEED_COUNT);
  });
});

describe('opensFor', () => {
  it('agrees with the tide at every seed of the default policy', () => {
    const rollout = running();
    for (let seed = 0; seed < SEED_COUNT; seed += 1) {
      const opensAt = opensFor(rollout, seed);
      if (opensAt === null) throw new Error(`seed ${seed} never opens`);
      expect(tideAt(rollout, opensAt)).toBeGreaterThan(seed);
      expect(tideAt(rollout, new Date(opensAt.getTime() - 1))).toBeLessThanOrEqual(seed);
    }
  });

  it('agrees with the tide for any policy, any start and any seed', () => {
    fc.assert(
      fc.property(
        policies(),
        fc.integer({ min: -DAY_MS, max: DAY_MS }),
        fc.integer({ min: 0, max: SEED_COUNT - 1 }),
        (policy, startMs, seed) => {
          const rollout = startedRollout(RELEASE, { policy, startAt: after(startMs) });
          const opensAt = opensFor(rollout, seed);
          if (opensAt === null) {
            expect(tideAt(rollout, after(1000 * DAY_MS))).toBeLessThanOrEqual(seed);
            return;
          }
          expect(tideAt(rollout, opensAt)).toBeGreaterThan(seed);
          const justBefore = new Date(opensAt.getTime() - 1);
          if (justBefore >= START) expect(tideAt(rollout, justBefore)).toBeLessThanOrEqual(seed);
        },
      ),
      { seed: 5, numRuns: 3000 },
    );
  });

  it('does not promise anything while the rollout stands still', () => {
    const rollout = running();
    const paused = rolloutAfter(rollout, verbOf('pause', rollout, after(HOUR_MS)));
    expect(opensFor(paused, 2000)).toBeNull();
  });
});

describe('clockAt', () => {
  it('does not run backwards when a host clock is behind the one that started it', () => {
    const rollout = rolloutAfter(running(), verbOf('advance', running(), after(0)));
    expect(clockAt(rollout, after(-5000))).toBe(clockAt(rollout, after(0)));
  });
});
