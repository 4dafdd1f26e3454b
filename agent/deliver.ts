import type { AgentContext } from './context.ts';
import type { Pace } from './cycle-result.ts';
import { retryAfterOf } from './errors.ts';
import { reasonOf } from './failed-step.ts';
import { askServer } from './order.ts';

/** Tells the server at once; if that fails, the next check-in does. */
export async function deliver(context: AgentContext): Promise<Pace> {
  const { config, slots, onEvent } = context;
  const { active } = await slots.read();
  const silent = { nextCheckInSeconds: null, retryAfterSeconds: null };
  if (config.server === null || active === null) return silent;
  try {
    const { nextCheckInSeconds } = await askServer(context, {
      ...{ running: active.release, state: 'idle' },
    });
    return { ...silent, nextCheckInSeconds };
  } catch (error) {
    onEvent('report-waits', { reason: reasonOf(context, error) });
    return { ...silent, retryAfterSeconds: retryAfterOf(error) };
  }
}
