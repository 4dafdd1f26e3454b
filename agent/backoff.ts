import { setTimeout as sleep } from 'node:timers/promises';
import { AgentError } from './errors.ts';

/** Waiting and chance, replaced in tests. */
export type Waiting = {
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 <= random() < 1. */
  readonly random: () => number;
};

const FIRST_MS = 1000;
const LONGEST_MS = 60_000;
/** Node takes a longer time for no time at all. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const WAITING: Waiting = { pause, random: Math.random };

/** How long to wait after so many failures in a row: longer each time, and jittered, or a fleet would come back as one. */
export function backoffMs(failures: number, random: () => number): number {
  return Math.round(random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** failures));
}

/** Milliseconds that a `Retry-After` header asks for, in either of its two forms; 0 without one. */
export function retryAfterMs(header: string | readonly string[] | undefined, now: Date): number {
  if (typeof header !== 'string') return 0;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now.getTime());
}

/** No longer than a timer can: some 24 days. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(Math.min(ms, LONGEST_TIMER_MS), undefined, { signal });
  } catch (cause) {
    throw new AgentError('agent/stopped', 'stopped while waiting for another try', { cause });
  }
}
