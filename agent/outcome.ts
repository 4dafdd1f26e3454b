import { formatInstant } from '../core/instant.ts';
import type { AgentContext } from './context.ts';
import type { Outcome } from './machine-state.ts';

const MAX_ERROR_LENGTH = 2000;

/** Keeps the report of how an attempt ended until the server has it. Twice for one attempt is once. */
export async function keepOutcome(
  { keepsReports, reports, now, onEvent }: AgentContext,
  { target, mishap }: Outcome,
): Promise<void> {
  const { id, rolloutId, from, to, direction } = target;
  // Without a server there is nobody to tell, and none knows of what was done by hand.
  if (!keepsReports || rolloutId === null) return;
  const success = direction === 'forward' ? 'updated' : 'rolled-back';
  const outcome = mishap === null ? success : 'failed';
  const dropped = await reports.add({
    ...{ id: `${id}.${outcome}`, rolloutId, from, to, outcome },
    ...(mishap === null
      ? { stage: 'confirm' }
      : {
          stage: mishap.stage,
          error: `${mishap.code}: ${mishap.message}`
            .replaceAll(/\p{C}/gu, ' ')
            .slice(0, MAX_ERROR_LENGTH),
        }),
    at: formatInstant(now()),
  });
  if (dropped > 0) onEvent('reports-dropped', { dropped });
}
