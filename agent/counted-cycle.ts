import { ExpectedError } from '../core/errors.ts';
import { adoptWhatRuns } from './adopt.ts';
import type { AgentContext } from './context.ts';
import { countCycle } from './counters.ts';
import type { Ended } from './counters.ts';
import { runCycle } from './cycle.ts';
import type { CycleResult } from './cycle-result.ts';
import { writeDurable } from './durable.ts';
import { metricsText } from './metrics.ts';

/** Anybody may read it: the collector is another user. */
const READABLE = 0o644;

/**
 * One cycle of a host that knows what it runs, or learns it again, and the host's figures after it, also where it fails. Throws
 * as `runCycle` and `adoptWhatRuns` do.
 */
export async function runCountedCycle(context: AgentContext): Promise<CycleResult> {
  let ended: Ended = { result: 'failed', bytesFetched: 0 };
  try {
    await adoptWhatRuns(context);
    const result = await runCycle(context);
    ended = result;
    return result;
  } finally {
    // Being told to stop is no result.
    if (context.signal?.aborted !== true) await tell(context, ended);
  }
}

/** Figures that cannot be written keep no host from its updates. */
async function tell(context: AgentContext, ended: Ended): Promise<void> {
  const { config, now, onEvent } = context;
  if (config.metricsFile === null) return;
  try {
    const counters = await countCycle(config.stateFolder, ended, now().getTime());
    const text = await metricsText(context, counters);
    await writeDurable(config.metricsFile, Buffer.from(text), READABLE);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    onEvent('metrics-failed', { code: error.code, message: error.message });
  }
}
