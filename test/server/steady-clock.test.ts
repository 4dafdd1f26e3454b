import { describe, expect, it } from '@jest/globals';
import { SteadyClock } from '../../server/steady-clock.ts';

const START_MS = Date.parse('2040-01-01T00:00:00Z');
const MINUTE = 60_000;
const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

function setup() {
  const world = { elapsedMs: 5000, aheadMs: 0 };
  const clock = new SteadyClock({
    system: () => new Date(START_MS + world.elapsedMs + world.aheadMs),
    elapsedMs: () => world.elapsedMs,
  });
  return {
    world,
    clock,
    /** How far the time that the server goes by is from the right one. */
    wrongMs: () => clock.now().getTime() - START_MS - world.elapsedMs,
  };
}

describe('SteadyClock', () => {
  it('says what the clock of the machine says while that goes as it should', () => {
    const { world, clock, wrongMs } = setup();
    expect(wrongMs()).toBe(0);
    world.elapsedMs += YEAR;
    expect(wrongMs()).toBe(0);
    expect(clock.doubt()).toBeNull();
  });

  it.each([{ stepMs: MINUTE }, { stepMs: -MINUTE }])(
    'follows a clock that is set by $stepMs ms, and again',
    ({ stepMs }) => {
      const { world, clock, wrongMs } = setup();
      world.aheadMs = stepMs;
      expect(wrongMs()).toBe(stepMs);
      world.aheadMs = 2 * stepMs;
      expect(wrongMs()).toBe(2 * stepMs);
      expect(clock.doubt()).toBeNull();
    },
  );

  it.each([
    { jumpMs: 3 * HOUR },
    { jumpMs: -3 * HOUR },
    { jumpMs: 30 * YEAR },
    { jumpMs: -69 * YEAR },
  ])(
    'lets time go on as before when the clock jumps by $jumpMs ms, and is at peace once it is right again',
    ({ jumpMs }) => {
      const { world, clock, wrongMs } = setup();
      world.aheadMs = jumpMs;
      expect(clock.doubt()).toEqual({
        says: new Date(START_MS + 5000 + jumpMs),
        aheadMs: jumpMs,
        believedAt: new Date(START_MS + 5000 + HOUR),
      });
      world.elapsedMs += HOUR - 1;
      expect(wrongMs()).toBe(0);
      world.aheadMs = 0;
      expect(wrongMs()).toBe(0);
      expect(clock.doubt()).toBeNull();
    },
  );

  it('believes a clock that stays where it jumped to for an hour', () => {
    const { world, clock, wrongMs } = setup();
    world.aheadMs = 3 * HOUR;
    expect(wrongMs()).toBe(0);
    world.elapsedMs += HOUR;
    expect(wrongMs()).toBe(3 * HOUR);
    expect(clock.doubt()).toBeNull();
  });

  it('follows at once when a clock that was believed is set right', () => {
    const { world, clock, wrongMs } = setup();
    world.aheadMs = -YEAR;
    clock.now();
    world.elapsedMs += HOUR;
    expect(wrongMs()).toBe(-YEAR);
    world.aheadMs = 0;
    expect(wrongMs()).toBe(0);
    expect(clock.doubt()).toBeNull();
  });

  it('never believes a clock that jumps about', () => {
    const { world, wrongMs } = setup();
    for (let jump = 1; jump < 20; jump += 1) {
      world.aheadMs = jump * HOUR * (-1) ** jump;
      expect(wrongMs()).toBe(0);
      world.elapsedMs += HOUR / 2;
      expect(wrongMs()).toBe(0);
    }
  });
});
