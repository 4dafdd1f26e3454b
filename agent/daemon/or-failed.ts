import { ExpectedError } from '../../core/errors.ts';
import type { AgentContext } from '../context.ts';
import type { CycleEnd } from './messages.ts';

const FAILED: CycleEnd = {
  ...{ isFailed: true, nextCheckInSeconds: null, retryAfterSeconds: null },
  // After a failure it is the backoff that counts.
  pollMs: 0,
};

/** A cycle that others follow: what it throws is told as `cycle-failed`, but for bugs, which are thrown on. */
export async function orFailed(
  cycle: () => Promise<CycleEnd>,
  { signal, onEvent }: Pick<AgentContext, 'signal' | 'onEvent'>,
): Promise<CycleEnd> {
  try {
    return await cycle();
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    // Being told to stop is no failure.
    if (signal?.aborted !== true) {
      onEvent('cycle-failed', { code: error.code, message: error.message });
    }
    return FAILED;
  }
}
