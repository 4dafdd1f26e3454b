import { setTimeout as sleep } from 'node:timers/promises';
import { ExpectedError } from '../core/errors.ts';
import type { AgentContext } from './context.ts';
import { runCycle } from './cycle.ts';

const FIRST_BACKOFF_MS = 5000;
const LONGEST_BACKOFF_MS = 15 * 60_000;

/** Cycle after cycle until `signal` is aborted. A cycle that fails is followed by a longer and longer wait. */
export async function runForever(context: AgentContext): Promise<void> {
  const { signal, onEvent } = context;
  const isStopped = () => signal?.aborted === true;
  let failures = 0;
  while (!isStopped()) {
    let waitMs: number;
    try {
      const result = await runCycle(context);
      failures = result.result === 'failed' ? failures + 1 : 0;
      waitMs =
        failures > 0
          ? backoffMs(failures)
          : waitMsAfter(result.nextCheckInSeconds, context.config.pollMs);
    } catch (error) {
      if (isStopped()) return;
      if (!(error instanceof ExpectedError)) throw error;
      failures += 1;
      onEvent('cycle-failed', { code: error.code, message: error.message });
      waitMs = backoffMs(failures);
    }
    await sleep(waitMs, null, signal === undefined ? {} : { signal }).catch(() => {});
  }
}

/** The server's word counts, jittered by a tenth so that a fleet does not march in step. */
export function waitMsAfter(
  seconds: number | null,
  pollMs: number,
  random: () => number = Math.random,
): number {
  const baseMs = seconds === null ? pollMs : seconds * 1000;
  return baseMs * (0.9 + random() * 0.2);
}

/** After so many failures in a row, 1 or more: twice as long each time, spread from half to one and a half. */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  return Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (failures - 1)) * (0.5 + random());
}
