import type { Report } from '../core/check-in.ts';
import type { ExpectedError } from '../core/errors.ts';
import { formatInstant } from '../core/instant.ts';
import type { AgentContext } from './context.ts';
import type { Target } from './machine.ts';

const MAX_ERROR_LENGTH = 2000;

/** Keeps the report of an attempt that ended well. Twice for one attempt is once. */
export async function reportSuccess(context: AgentContext, target: Target): Promise<void> {
  const outcome = target.direction === 'forward' ? 'updated' : 'rolled-back';
  await keep(context, target, { outcome, stage: 'confirm' });
}

/** Keeps the report of an attempt that failed. */
export async function reportFailure(
  context: AgentContext,
  {
    target,
    stage,
    error,
  }: { readonly target: Target; readonly stage: string; readonly error: ExpectedError },
): Promise<void> {
  const text = `${error.code}: ${error.message}`.replaceAll(/\p{C}/gu, ' ');
  await keep(context, target, { outcome: 'failed', stage, error: text.slice(0, MAX_ERROR_LENGTH) });
}

async function keep(
  { config, reports, now, onEvent }: AgentContext,
  { id, rolloutId, from, to }: Target,
  result: Pick<Report, 'outcome' | 'stage' | 'error'>,
): Promise<void> {
  // Without a server there is nobody to tell.
  if (config.server === null) return;
  const dropped = await reports.add({
    ...{ id: `${id}.${result.outcome}`, rolloutId, from, to },
    ...result,
    at: formatInstant(now()),
  });
  if (dropped > 0) onEvent('reports-dropped', { dropped });
}
