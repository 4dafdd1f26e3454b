import { reasonOf } from './attempt.ts';
import type { AgentContext } from './context.ts';
import { askServer } from './order.ts';

/** Tells the server at once; if that fails, the next check-in does. */
export async function deliver(context: AgentContext): Promise<void> {
  const { config, slots, onEvent } = context;
  const { active } = await slots.read();
  if (config.server === null || active === null) return;
  try {
    await askServer(context, { running: active.release, state: 'idle' });
  } catch (error) {
    onEvent('report-waits', { reason: reasonOf(context, error) });
  }
}
