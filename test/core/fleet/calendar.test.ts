import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { freezesAt, windowsAt } from '../../../core/fleet/calendar.ts';
import type { Freeze, MaintenanceWindow } from '../../../core/fleet/rules.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;
/** Fine enough for the property: its windows and every jump of its zones fall on whole steps. */
const STEP_MS = 5 * MINUTE_MS;
const TEST_DAYS = 5;
const STEPS = (TEST_DAYS * DAY_MS) / STEP_MS;
const EVERY_DAY = [1, 2, 3, 4, 5, 6, 7];

function windowOf(from: string, to: string, change: Partial<MaintenanceWindow> = {}) {
  return { days: EVERY_DAY, from, to, timeZone: 'Europe/Berlin', ...change };
}

function at(text: string): Date {
  return new Date(text);
}

/** By Intl, which knows nothing of the library in use: the wall clock as text that sorts by time. */
function wallClock(timeZone: string) {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'short',
  });
  return (ms: number) => format.format(ms);
}

const shown = new Map<string, readonly string[]>();

/** What the clock on the wall shows at each step. */
function wallsOf(timeZone: string, startMs: number): readonly string[] {
  const key = `${timeZone} ${startMs}`;
  const show = wallClock(timeZone);
  const walls =
    shown.get(key) ?? Array.from({ length: STEPS }, (_, index) => show(startMs + index * STEP_MS));
  shown.set(key, walls);
  return walls;
}

/** Step by step from `startMs` on: which lie in an opening of the window that begins within. */
function openSteps(window: MaintenanceWindow, startMs: number): ReadonlySet<number> {
  const walls = wallsOf(window.timeZone, startMs);
  const firstAt = (wall: string) => walls.findIndex((text) => text >= wall);
  const date = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const firstDay = Date.parse(`${(walls[0] ?? '').slice(0, 10)}T00:00Z`);
  const open = new Set<number>();
  for (let day = firstDay; day < firstDay + (TEST_DAYS + 2) * DAY_MS; day += DAY_MS) {
    const weekday = new Date(day).getUTCDay() || 7;
    const start = firstAt(`${date(day)} ${window.from}`);
    if (!window.days.includes(weekday) || start < 0) continue;
    const end = firstAt(`${date(window.to > window.from ? day : day + DAY_MS)} ${window.to}`);
    for (let step = start; step < (end < 0 ? STEPS : end); step += 1) open.add(step);
  }
  return open;
}

describe('windowsAt', () => {
  it.each([
    {
      case: 'closed before it opens',
      now: '2026-01-15T20:59:59Z',
      isOpen: false,
      until: '2026-01-15T21:00:00Z',
    },
    {
      case: 'open from its first instant',
      now: '2026-01-15T21:00:00Z',
      isOpen: true,
      until: '2026-01-16T03:00:00Z',
    },
    {
      case: 'open over midnight',
      now: '2026-01-16T02:59:59Z',
      isOpen: true,
      until: '2026-01-16T03:00:00Z',
    },
    {
      case: 'closed from its last instant',
      now: '2026-01-16T03:00:00Z',
      isOpen: false,
      until: '2026-01-16T21:00:00Z',
    },
    {
      case: 'an hour earlier in UTC in summer',
      now: '2026-07-15T20:00:00Z',
      isOpen: true,
      until: '2026-07-16T02:00:00Z',
    },
    {
      case: 'an hour shorter in the night the clock jumps ahead',
      now: '2026-03-28T22:00:00Z',
      isOpen: true,
      until: '2026-03-29T02:00:00Z',
    },
    {
      case: 'an hour longer in the night the clock goes back',
      now: '2026-10-24T21:00:00Z',
      isOpen: true,
      until: '2026-10-25T03:00:00Z',
    },
  ])('is $case', ({ now, isOpen, until }) => {
    expect(windowsAt([windowOf('22:00', '04:00')], at(now))).toEqual({ isOpen, until: at(until) });
  });

  it('skips a window that lies wholly in the hour that does not come', () => {
    expect(windowsAt([windowOf('02:00', '03:00')], at('2026-03-29T00:30:00Z'))).toEqual({
      isOpen: false,
      until: at('2026-03-30T00:00:00Z'),
    });
  });

  it('opens at the jump if its beginning does not come', () => {
    expect(windowsAt([windowOf('02:30', '03:30')], at('2026-03-29T01:00:00Z'))).toEqual({
      isOpen: true,
      until: at('2026-03-29T01:30:00Z'),
    });
  });

  it('opens once only in the hour that comes twice', () => {
    const windows = [windowOf('02:15', '02:45')];
    expect(windowsAt(windows, at('2026-10-25T00:20:00Z')).isOpen).toBe(true);
    expect(windowsAt(windows, at('2026-10-25T01:20:00Z')).isOpen).toBe(false);
  });

  it('waits for the day of the week in the zone of the window, not in UTC', () => {
    const windows = [windowOf('00:00', '02:00', { days: [1], timeZone: 'Pacific/Auckland' })];
    expect(windowsAt(windows, at('2026-06-10T00:00:00Z'))).toEqual({
      isOpen: false,
      until: at('2026-06-14T12:00:00Z'),
    });
  });

  it('joins windows that follow on each other', () => {
    const windows = [windowOf('20:00', '22:00'), windowOf('22:00', '23:00')];
    expect(windowsAt(windows, at('2026-01-15T19:30:00Z'))).toEqual({
      isOpen: true,
      until: at('2026-01-15T22:00:00Z'),
    });
  });

  it('is always open without windows', () => {
    expect(windowsAt([], at('2026-01-15T19:30:00Z'))).toEqual({ isOpen: true, until: null });
  });

  it('agrees step by step with the wall clock, in zones and weeks with and without a jump', () => {
    const zones = fc.constantFrom(
      ...[
        'Europe/Berlin',
        'America/New_York',
        'Australia/Lord_Howe',
        'Asia/Kathmandu',
        'Pacific/Apia',
      ],
    );
    // Jumps of 2026 in each direction, a week without one, and the day that Samoa left out.
    const starts = fc.constantFrom(
      ...[
        '2026-03-06',
        '2026-03-27',
        '2026-04-03',
        '2026-10-02',
        '2026-10-23',
        '2026-10-30',
        '2026-07-01',
        '2011-12-28',
      ],
    );
    const times = fc
      .integer({ min: 0, max: 287 })
      .map((step) => [Math.floor(step / 12), (step % 12) * 5])
      .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));
    const days = fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 });
    fc.assert(
      fc.property(zones, starts, times, times, days, (timeZone, start, from, to, chosen) => {
        const window = { days: chosen, from, to, timeZone };
        const startMs = Date.parse(`${start}T00:00Z`) - DAY_MS;
        const open = openSteps(window, startMs);
        const windows = [window];
        // From the third day on: openings that began before the list are not in it.
        const wrong = Array.from({ length: STEPS }, (_, step) => step)
          .filter((step) => step * STEP_MS >= 2 * DAY_MS)
          .filter((step) => {
            const now = new Date(startMs + step * STEP_MS);
            return windowsAt(windows, now).isOpen !== open.has(step);
          })
          .map((step) => new Date(startMs + step * STEP_MS).toISOString());
        expect(wrong).toEqual([]);
      }),
      { seed: 11, numRuns: 100 },
    );
  });

  it('holds its answer until the instant it names, and not at it', () => {
    const windows = [
      windowOf('22:10', '03:35', { days: [2, 6] }),
      windowOf('01:00', '02:30', { days: [7] }),
    ];
    const instants = fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2028-01-01') });
    fc.assert(
      fc.property(instants, (ms) => {
        const { isOpen, until } = windowsAt(windows, new Date(ms));
        const untilMs = until?.getTime() ?? Number.NaN;
        expect(untilMs).toBeGreaterThan(ms);
        expect(windowsAt(windows, new Date(untilMs - 1)).isOpen).toBe(isOpen);
        expect(windowsAt(windows, new Date(untilMs)).isOpen).toBe(!isOpen);
      }),
      { seed: 12, numRuns: 500 },
    );
  });
});

describe('freezesAt', () => {
  const freeze = (from: string, to: string, groups: readonly string[] | null = null): Freeze => ({
    from: at(from),
    to: at(to),
    reason: `from ${from}`,
    groups,
  });
  const freezes = [
    freeze('2026-12-20T00:00:00Z', '2026-12-28T00:00:00Z'),
    freeze('2026-12-27T00:00:00Z', '2027-01-02T00:00:00Z', ['prod']),
    freeze('2027-01-02T00:00:00Z', '2027-01-03T00:00:00Z', ['prod']),
  ];

  it('holds everyone in a freeze of all, to the end of what follows on it for the group', () => {
    const now = at('2026-12-24T00:00:00Z');
    expect(freezesAt(freezes, 'test', now)).toMatchObject({
      isOpen: false,
      until: at('2026-12-28T00:00:00Z'),
    });
    expect(freezesAt(freezes, null, now)).toMatchObject({
      isOpen: false,
      until: at('2026-12-28T00:00:00Z'),
    });
    expect(freezesAt(freezes, 'prod', now)).toMatchObject({
      isOpen: false,
      until: at('2027-01-03T00:00:00Z'),
    });
  });

  it('holds only its groups in a freeze of groups, and ends with its last instant', () => {
    const now = at('2026-12-30T00:00:00Z');
    expect(freezesAt(freezes, 'test', now).isOpen).toBe(true);
    expect(freezesAt(freezes, 'prod', now).isOpen).toBe(false);
    expect(freezesAt(freezes, 'prod', at('2027-01-03T00:00:00Z')).isOpen).toBe(true);
  });

  it('names the next freeze while none holds', () => {
    expect(freezesAt(freezes, 'test', at('2026-12-01T00:00:00Z'))).toEqual({
      isOpen: true,
      until: at('2026-12-20T00:00:00Z'),
      reason: null,
    });
  });
});
