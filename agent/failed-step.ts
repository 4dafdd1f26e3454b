import { ExpectedError } from '../core/errors.ts';
import type { Attempt } from './attempt.ts';
import type { AgentContext } from './context.ts';
import { AgentError, retryAfterOf } from './errors.ts';
import type { AgentEvent, Moment } from './machine-events.ts';
import type { Mishap, Target } from './machine-state.ts';

const MAX_MESSAGE_LENGTH = 1000;

export type Failed<S> = {
  readonly error: unknown;
  readonly stage: S;
  readonly target: Target;
  readonly attempt: Attempt;
};

/** What a failure means for the attempt. A network that fails says nothing about the release. */
export function failedBy(
  context: AgentContext,
  failed: Failed<Mishap['stage']>,
): AgentEvent | null {
  const { error, stage, target, attempt } = failed;
  if (error instanceof AgentError && error.code === 'agent/not-permitted') {
    attempt.reason = reasonOf(context, error);
    attempt.end = 'refused';
    context.onEvent('refused', { ...target, reason: attempt.reason });
    return { kind: 'refused', mishap: mishapOf(stage, error), ...momentOf(context) };
  }
  noted(context, failed);
  const mishap = mishapOf(stage, error);
  return mishap.code === 'agent/unreachable'
    ? null
    : { kind: 'failed', mishap, ...momentOf(context) };
}

/** Takes note of a failure that was foreseen, for the result and for whoever listens. */
export function noted(
  context: AgentContext,
  { error, stage, target, attempt }: Failed<string>,
): void {
  attempt.reason = reasonOf(context, error);
  attempt.retryAfterSeconds = retryAfterOf(error);
  attempt.end = 'failed';
  context.onEvent('failed', { ...target, stage, ...detailsOf(error) });
}

/** The reason in words, for failures that were foreseen; a bug, or being told to stop, is thrown on. */
export function reasonOf({ signal }: Pick<AgentContext, 'signal'>, error: unknown): string {
  if (!(error instanceof ExpectedError) || signal?.aborted === true) throw error;
  return `${error.code}: ${error.message}`;
}

export function momentOf({ now, random }: Pick<AgentContext, 'now' | 'random'>): Moment {
  return { nowMs: now().getTime(), random: random() };
}

function mishapOf(stage: Mishap['stage'], error: unknown): Mishap {
  const { code, message } = detailsOf(error);
  return { stage, code, message: message.slice(0, MAX_MESSAGE_LENGTH) };
}

function detailsOf(error: unknown): Pick<Mishap, 'code' | 'message'> {
  if (error instanceof ExpectedError) return { code: String(error.code), message: error.message };
  throw error;
}
