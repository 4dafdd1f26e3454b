import type { AgentContext } from '../context.ts';
import { runCountedCycle } from '../counted-cycle.ts';
import { asOnlyAgent } from '../lock.ts';
import type { CycleEnd } from './messages.ts';
import { orFailed } from './or-failed.ts';

/** A verb by hand may be at work. */
const LOCK_PATIENCE_MS = 60_000;

/** One cycle of a host on which many follow: what fails is told as `cycle-failed`, and the next one may be better. */
export function oneCycle(context: AgentContext): Promise<CycleEnd> {
  const { config, network } = context;
  return orFailed(async () => {
    await network.check();
    const { result, nextCheckInSeconds, retryAfterSeconds } = await asOnlyAgent(
      config.stateFolder,
      () => runCountedCycle(context),
      LOCK_PATIENCE_MS,
    );
    const isFailed = result === 'failed';
    return { isFailed, nextCheckInSeconds, retryAfterSeconds, pollMs: config.pollMs };
  }, context);
}
