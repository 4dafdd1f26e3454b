import { Temporal } from 'temporal-polyfill';
import type { Freeze, MaintenanceWindow } from './rules.ts';

/** Whether something is open, and until when at least that answer holds; null is for ever. */
export type OpenState = { readonly isOpen: boolean; readonly until: Date | null };

type Interval = { readonly fromMs: number; readonly toMs: number };

const DAY_MS = 86_400_000;
/** What is worked out at once: time zones cost far more than the look at a list that most polls need. */
const CHUNK_MS = 28 * DAY_MS;
/** A window may begin on the day before, in a zone that is most of a day away. */
const MARGIN_DAYS = 3;
/** A weekly window comes again within a week, or within two if a jump of the clock swallows it. */
const CHUNKS_AHEAD = 2;
const CHUNKS_KEPT = 64;

const UNFROZEN = { isOpen: true, until: null, reason: null } as const;

const chunks = new WeakMap<readonly MaintenanceWindow[], Map<number, readonly Interval[]>>();

/** Whether any of the windows is open. Without a window it always is. */
export function windowsAt(windows: readonly MaintenanceWindow[], now: Date): OpenState {
  if (windows.length === 0) return { isOpen: true, until: null };
  const nowMs = now.getTime();
  const first = Math.floor(nowMs / CHUNK_MS);
  for (let chunk = first; chunk <= first + CHUNKS_AHEAD; chunk += 1) {
    const interval = intervalsOf(windows, chunk).find(({ toMs }) => toMs > nowMs);
    if (interval !== undefined) {
      const isOpen = interval.fromMs <= nowMs;
      return { isOpen, until: new Date(isOpen ? interval.toMs : interval.fromMs) };
    }
  }
  return { isOpen: false, until: null };
}

/** Whether no freeze of the group (or of all) holds; `until` is the end of all that follow on each other. */
export function freezesAt(
  freezes: readonly Freeze[],
  group: string | null,
  now: Date,
): OpenState & { readonly reason: string | null } {
  if (freezes.length === 0) return UNFROZEN;
  const mine = freezes.filter(
    ({ groups }) => groups === null || (group !== null && groups.includes(group)),
  );
  const holding = (at: Date) => mine.find(({ from, to }) => from <= at && at < to);
  const first = holding(now);
  if (first === undefined) {
    const next = mine.filter(({ from }) => from > now).toSorted((a, b) => +a.from - +b.from)[0];
    return { isOpen: true, until: next?.from ?? null, reason: null };
  }
  let until = first.to;
  for (let next = holding(until); next !== undefined; next = holding(until)) until = next.to;
  return { isOpen: false, until, reason: first.reason };
}

function intervalsOf(windows: readonly MaintenanceWindow[], chunk: number): readonly Interval[] {
  const kept = chunks.get(windows) ?? new Map<number, readonly Interval[]>();
  chunks.set(windows, kept);
  const known = kept.get(chunk);
  if (known !== undefined) return known;
  if (kept.size >= CHUNKS_KEPT) kept.clear();
  const intervals = merged(windows.flatMap((window) => occurrences(window, chunk)));
  kept.set(chunk, intervals);
  return intervals;
}

function occurrences(window: MaintenanceWindow, chunk: number): readonly Interval[] {
  const { days, from, to, timeZone } = window;
  const first = Temporal.Instant.fromEpochMilliseconds(chunk * CHUNK_MS)
    .toZonedDateTimeISO(timeZone)
    .toPlainDate()
    .subtract({ days: MARGIN_DAYS });
  const count = CHUNK_MS / DAY_MS + 2 * MARGIN_DAYS;
  return Array.from({ length: count }, (_, index) => first.add({ days: index }))
    .filter(({ dayOfWeek }) => days.includes(dayOfWeek))
    .map((date) => ({
      fromMs: reached(date, from, timeZone),
      toMs: reached(to > from ? date : date.add({ days: 1 }), to, timeZone),
    }))
    .filter(({ fromMs, toMs }) => fromMs < toMs);
}

/**
 * The first instant at which the clock on the wall shows this time or more: of an hour that comes twice the first one, of a
 * time that is skipped the jump.
 */
function reached(date: Temporal.PlainDate, time: string, timeZone: string): number {
  const wall = date.toPlainDateTime(time);
  const before = wall.toZonedDateTime(timeZone, { disambiguation: 'earlier' });
  if (before.toPlainDateTime().equals(wall)) return before.epochMilliseconds;
  const jump = before.getTimeZoneTransition('next');
  return (jump ?? before).epochMilliseconds;
}

function merged(intervals: readonly Interval[]): readonly Interval[] {
  const result: Interval[] = [];
  for (const interval of intervals.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = result.at(-1);
    if (last === undefined || interval.fromMs > last.toMs) result.push(interval);
    else result.splice(-1, 1, { fromMs: last.fromMs, toMs: Math.max(last.toMs, interval.toMs) });
  }
  return result;
}
