import type { AgentContext } from './context.ts';
import type { Pace } from './cycle-result.ts';
import { AgentError, retryAfterOf } from './errors.ts';
import { reasonOf } from './failed-step.ts';
import type { AgentState } from './machine-state.ts';
import { askServer, checkInState } from './order.ts';

/** Tells the server at once; if that fails, the next check-in does. Throws what the host's own disk fails with. */
export async function deliver(context: AgentContext, state: AgentState): Promise<Pace> {
  const { config, slots, onEvent } = context;
  const { active } = await slots.read();
  const silent = { nextCheckInSeconds: null, retryAfterSeconds: null };
  if (config.server === null || active === null) return silent;
  try {
    const { nextCheckInSeconds } = await askServer(context, {
      ...{ running: active.release, state: checkInState(state) },
    });
    return { ...silent, nextCheckInSeconds };
  } catch (error) {
    if (isOfDisk(error)) throw error;
    onEvent('report-waits', { reason: reasonOf(context, error) });
    return { ...silent, retryAfterSeconds: retryAfterOf(error) };
  }
}

function isOfDisk(error: unknown): boolean {
  return (
    error instanceof AgentError && (error.code === 'agent/disk' || error.code === 'agent/full')
  );
}
