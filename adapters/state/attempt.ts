import { setTimeout as sleep } from 'node:timers/promises';
import type { StateError } from './state.ts';

/** What an engine's own errors mean; undefined for those that are bugs. */
export type TranslateError = (error: unknown) => StateError | undefined;

const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 50;

/**
 * Runs `work`, again and again while the database is locked, for `waitMs` at most; the event loop stays free meanwhile.
 * `work` must be one statement or one transaction, so that a failed try leaves nothing behind.
 */
export async function attempt<T>(
  work: () => Promise<T>,
  { translate, waitMs }: { readonly translate: TranslateError; readonly waitMs: number },
): Promise<T> {
  const deadline = performance.now() + waitMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await work();
    } catch (error) {
      const known = translate(error);
      if (known === undefined) throw error;
      if (known.code !== 'state/busy' || performance.now() >= deadline) throw known;
      await sleep(pauseMs);
    }
  }
}
