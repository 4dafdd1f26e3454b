import type { Conduct } from './attempt.ts';
import { fromRepository } from './bring.ts';
import type { AgentContext } from './context.ts';
import { refusalOf } from './refusals.ts';
import { checkHealth } from './health.ts';
import type { AgentState, Target } from './machine-state.ts';
import { ask, checkInState } from './order.ts';
import { refresh } from './refresh.ts';
import type { SealedSlot } from './slots/slots.ts';
import { isFor } from './target.ts';
import type { VerifiedRepository } from './tuf/client.ts';

/** How the agent goes on by itself: as far as the host's policies let it. `repository` is looked up anew unless it is given. */
export function automatic(
  context: AgentContext,
  active: SealedSlot,
  repository: VerifiedRepository | null,
): Conduct {
  const { config, signal } = context;
  return {
    refusal: (step, waiting) => refusalOf(context, step, waiting),
    verify: fromRepository(context, active, async () => repository ?? refresh(context)),
    ask: (target, state) => lastRefusal(context, active, { target, state }),
    checkHealth: async () =>
      config.health.confirm === 'manual' ? null : checkHealth(config.health, signal),
  };
}

/** Null if the order still stands, else why not. */
async function lastRefusal(
  context: AgentContext,
  active: SealedSlot,
  { target, state }: { readonly target: Target; readonly state: AgentState },
): Promise<string | null> {
  const question = { running: active.release, state: checkInState(state) };
  const { decision, reason } = await ask(context, question);
  return decision?.decision === 'update' && isFor(decision, target) ? null : reason;
}
