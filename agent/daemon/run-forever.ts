import { WAITING } from '../backoff.ts';
import type { Waiting } from '../backoff.ts';
import type { CycleEnd } from './messages.ts';

const FIRST_BACKOFF_MS = 5000;
const LONGEST_BACKOFF_MS = 15 * 60_000;

/** Cycle after cycle until `signal` is aborted. A cycle that fails is followed by a longer and longer wait. */
export async function runForever(
  cycle: () => Promise<CycleEnd>,
  signal: AbortSignal,
  { pause, random }: Waiting = WAITING,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const end = await cycle();
    failures = end.isFailed ? failures + 1 : 0;
    // Who is stopped while it waits has nothing to end.
    await pause(nextWaitMs(end, failures, random), signal).catch(() => {});
  }
}

/** Until the next cycle: as the server said, else by the agent's own pace; never before the end of a `Retry-After`. */
export function nextWaitMs(
  { nextCheckInSeconds, retryAfterSeconds, pollMs }: Omit<CycleEnd, 'isFailed'>,
  failures: number,
  random: () => number = Math.random,
): number {
  const ownMs =
    failures > 0 ? backoffMs(failures, random) : waitMsAfter(nextCheckInSeconds, pollMs, random);
  // Jittered upwards alone, in case every host was told the same.
  return Math.max(ownMs, (retryAfterSeconds ?? 0) * 1000 * (1 + random() * 0.2));
}

/** The server's word counts, jittered by a tenth so that a fleet does not march in step. */
export function waitMsAfter(seconds: number | null, pollMs: number, random: () => number): number {
  const baseMs = seconds === null ? pollMs : seconds * 1000;
  return baseMs * (0.9 + random() * 0.2);
}

/** After so many failures in a row, 1 or more: twice as long each time, spread from half to one and a half. */
export function backoffMs(failures: number, random: () => number): number {
  return Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1)) * (0.5 + random());
}
