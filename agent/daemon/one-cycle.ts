import { ExpectedError } from '../../core/errors.ts';
import type { AgentContext } from '../context.ts';
import { runCountedCycle } from '../counted-cycle.ts';
import { asOnlyAgent } from '../lock.ts';
import type { CycleEnd } from './messages.ts';

/** A verb by hand may be at work. */
const LOCK_PATIENCE_MS = 60_000;

/** One cycle of a host on which many follow: what fails is told as `cycle-failed`, and the next one may be better. */
export async function oneCycle(context: AgentContext): Promise<CycleEnd> {
  const { config, network, onEvent, signal } = context;
  const { pollMs, stateFolder } = config;
  try {
    await network.check();
    const { result, nextCheckInSeconds, retryAfterSeconds } = await asOnlyAgent(
      stateFolder,
      () => runCountedCycle(context),
      LOCK_PATIENCE_MS,
    );
    return { isFailed: result === 'failed', nextCheckInSeconds, retryAfterSeconds, pollMs };
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    // Being told to stop is no failure.
    if (signal?.aborted !== true) {
      onEvent('cycle-failed', { code: error.code, message: error.message });
    }
    return { isFailed: true, nextCheckInSeconds: null, retryAfterSeconds: null, pollMs };
  }
}
