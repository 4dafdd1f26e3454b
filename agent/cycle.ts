import { formatInstant } from '../core/instant.ts';
import { automatic } from './conduct.ts';
import type { AgentContext } from './context.ts';
import { endOf } from './cycle-result.ts';
import type { CycleResult } from './cycle-result.ts';
import { deliver } from './deliver.ts';
import { isOnWayBack } from './machine-state.ts';
import { poll } from './poll.ts';
import { settle } from './settle.ts';
import type { Settled } from './settle.ts';

/** Results that tell of nothing that an attempt which just ended does not tell better. */
const QUIET: ReadonlySet<CycleResult['result']> = new Set(['stayed', 'fallen-back', 'failed']);

/**
 * One poll cycle: go on with what is under way, ask, verify, fill the inactive slot, ask once more, activate, prove health,
 * report. It may be killed anywhere; the next cycle goes on from the journal and the slots. Throws AgentError where there is
 * nothing to go on with: no active release, a disk that fails, or `signal`.
 */
export async function runCycle(context: AgentContext): Promise<CycleResult> {
  const { journal, onEvent, now } = context;
  const settled = await settle(context, (active) => automatic(context, active, null));
  const result = await resultOf(context, settled);
  const { result: kind, reason } = result;
  await journal.writeLastPoll({ at: formatInstant(now()), result: kind, reason });
  onEvent('cycle', result);
  return result;
}

/** An attempt that came to its end is what the cycle was about: the next one polls. */
async function resultOf(context: AgentContext, settled: Settled): Promise<CycleResult> {
  const end = newsOf(settled);
  if (end !== null && settled.attempt.outcome !== null) {
    return { ...end, ...(await deliver(context, settled.state)) };
  }
  const polled = await poll(context, settled);
  if (end === null || !QUIET.has(polled.result)) return polled;
  const { reason, nextCheckInSeconds, retryAfterSeconds } = polled;
  if (polled.result === 'failed') context.onEvent('poll-failed', { reason });
  return { ...end, nextCheckInSeconds, retryAfterSeconds };
}

/** What going on with an attempt came to; null if it waits on, or if there was none. */
function newsOf({ left, state, attempt }: Settled): CycleResult | null {
  const { outcome, end } = attempt;
  if (outcome !== null) return endOf(outcome.target, state, attempt);
  if (left.kind === 'idle') return null;
  const isGivenUp = isOnWayBack(state) && !isOnWayBack(left);
  return isGivenUp || end !== 'open' ? endOf(left.target, state, attempt) : null;
}
