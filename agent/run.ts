import { ExpectedError } from '../core/errors.ts';
import type { AgentContext } from './context.ts';
import { WAITING } from './backoff.ts';
import type { Waiting } from './backoff.ts';
import type { CycleResult } from './cycle-result.ts';
import { runCountedCycle } from './counted-cycle.ts';
import { asOnlyAgent } from './lock.ts';

/** A verb by hand may be at work. */
const LOCK_PATIENCE_MS = 60_000;
const FIRST_BACKOFF_MS = 5000;
const LONGEST_BACKOFF_MS = 15 * 60_000;

/** Cycle after cycle until `signal` is aborted. A cycle that fails is followed by a longer and longer wait. */
export async function runForever(
  context: AgentContext,
  { pause, random }: Waiting = WAITING,
): Promise<void> {
  const { signal = new AbortController().signal, config, onEvent } = context;
  let failures = 0;
  while (!signal.aborted) {
    let waitMs: number;
    try {
      const result = await asOnlyAgent(
        config.stateFolder,
        () => runCountedCycle(context),
        LOCK_PATIENCE_MS,
      );
      failures = result.result === 'failed' ? failures + 1 : 0;
      waitMs = nextWaitMs(result, { failures, pollMs: config.pollMs }, random);
    } catch (error) {
      if (isStopped(signal)) return;
      if (!(error instanceof ExpectedError)) throw error;
      failures += 1;
      onEvent('cycle-failed', { code: error.code, message: error.message });
      waitMs = backoffMs(failures, random);
    }
    // Who is stopped while it waits has nothing to end.
    await pause(waitMs, signal).catch(() => {});
  }
}

function isStopped({ aborted }: AbortSignal): boolean {
  return aborted;
}

/** Until the next cycle: as the server said, else by the agent's own pace; never before the end of a `Retry-After`. */
export function nextWaitMs(
  {
    nextCheckInSeconds,
    retryAfterSeconds,
  }: Pick<CycleResult, 'nextCheckInSeconds' | 'retryAfterSeconds'>,
  { failures, pollMs }: { readonly failures: number; readonly pollMs: number },
  random: () => number = Math.random,
): number {
  const ownMs =
    failures > 0 ? backoffMs(failures, random) : waitMsAfter(nextCheckInSeconds, pollMs, random);
  // Jittered upwards alone, in case every host was told the same.
  return Math.max(ownMs, (retryAfterSeconds ?? 0) * 1000 * (1 + random() * 0.2));
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
