import type { Attempt } from './attempt.ts';
import { activate, deactivate, reboot } from './boot.ts';
import type { AgentContext } from './context.ts';
import { failedBy, noted } from './failed-step.ts';
import { runHook } from './hooks.ts';
import type { AfterHook } from './hooks.ts';
import type { AgentEvent, Effect } from './machine-events.ts';
import { isByHand } from './machine-state.ts';
import type { AgentState, Mishap, Target } from './machine-state.ts';
import { next } from './machine.ts';
import { keepOutcome } from './outcome.ts';
import { STEP_AWAITED } from './refusals.ts';
import type { UpdateStep } from './refusals.ts';

/** Leads the machine on from an event as far as it can go now; each state is durable before anything is done in it. */
export async function lead(
  context: AgentContext,
  from: AgentState,
  { first, attempt }: { readonly first: AgentEvent; readonly attempt: Attempt },
): Promise<AgentState> {
  let state = from;
  for (let event: AgentEvent | null = first; event !== null;) {
    const step = next(state, event);
    await save(context, state, step.state);
    ({ state } = step);
    const { effect } = step;
    event = effect === null ? null : await perform(context, state, { effect, attempt });
  }
  return state;
}

async function save(
  { journal, onEvent }: AgentContext,
  before: AgentState,
  after: AgentState,
): Promise<void> {
  if (after === before) return;
  await journal.write(after);
  if (after.kind !== before.kind) onEvent('state', { from: before.kind, to: after.kind });
}

type Task = { readonly effect: Effect; readonly attempt: Attempt };
type Busy = Exclude<AgentState, { readonly kind: 'idle' }>;

/** Does what the machine asks for, and says what came of it; null when there is nothing more to do now. */
async function perform(
  context: AgentContext,
  state: AgentState,
  { effect, attempt }: Task,
): Promise<AgentEvent | null> {
  if (effect === 'report') return report(context, state, attempt);
  if (state.kind === 'idle') throw new Error(`nobody is there to ${effect} for`);
  const { target } = state;
  switch (effect) {
    case 'await-prepare':
    case 'await-apply':
    case 'await-reboot':
    case 'await-return':
      return pass(context, state, { step: STEP_AWAITED[effect], attempt });
    case 'fill':
      return fill(context, target, { attempt, done: { kind: 'sealed' } });
    case 'verify':
      return fill(context, target, { attempt, done: { kind: 'verified' } });
    case 'ask':
      return ask(context, state, attempt);
    case 'ask-again':
      return askAgain(context, state, attempt);
    case 'activate':
      return activate(context, target, attempt);
    case 'reboot':
      return reboot(context, target, attempt);
    case 'check-health':
      return checkHealth(context, target, attempt);
    case 'mark-good':
      await context.slots.markGood();
      context.onEvent('activated', target);
      return { kind: 'marked-good' };
    case 'deactivate':
      return deactivate(context, target);
    case 'call-off':
      await runHook(context, 'after-cancel', target);
      return { kind: 'called-off' };
  }
}

async function pass(
  { system, now }: AgentContext,
  state: Busy,
  { step, attempt }: { readonly step: UpdateStep; readonly attempt: Attempt },
): Promise<AgentEvent | null> {
  attempt.reason = await attempt.conduct.refusal(step, state);
  if (attempt.reason !== null) return null;
  return step === 'return'
    ? { kind: 'return-permitted', bootId: await system.bootId(), nowMs: now().getTime() }
    : { kind: `${step}-permitted` };
}

/** No slot is touched before all is verified. */
async function fill(
  context: AgentContext,
  target: Target,
  { attempt, done }: { readonly attempt: Attempt; readonly done: AgentEvent },
): Promise<AgentEvent | null> {
  if (attempt.isVerified) return done;
  let stage: Mishap['stage'] = 'verify';
  try {
    const bring = await attempt.conduct.verify(target);
    stage = 'install';
    attempt.bytesFetched += await bring();
  } catch (error) {
    return failedBy(context, { error, stage, target, attempt });
  }
  attempt.isVerified = true;
  context.onEvent('staged', { to: target.to, bytesFetched: attempt.bytesFetched });
  return done;
}

/** The andon cord: somebody may have paused the rollout since. What is activated already is then taken back. */
async function ask(
  context: AgentContext,
  state: Busy,
  attempt: Attempt,
): Promise<AgentEvent | null> {
  const answer = await answerOf(context, state, attempt);
  if (answer === 'yes') return { kind: 'allowed', bootId: await context.system.bootId() };
  return answer === 'no' && state.kind === 'ready' ? { kind: 'cancelled' } : null;
}

/** Without an answer the host is not booted, and what was prepared for it is undone. */
async function askAgain(context: AgentContext, state: Busy, attempt: Attempt): Promise<AgentEvent> {
  const answer = await answerOf(context, state, attempt);
  if (answer === 'yes') return { kind: 'still-allowed', nowMs: context.now().getTime() };
  return { kind: answer === 'no' ? 'cancelled' : 'reboot-put-off' };
}

async function answerOf(
  context: AgentContext,
  state: Busy,
  attempt: Attempt,
): Promise<'yes' | 'no' | 'none'> {
  const { target } = state;
  try {
    attempt.reason = isByHand(target) ? null : await attempt.conduct.ask(target, state);
  } catch (error) {
    noted(context, { error, stage: 'ask', target, attempt });
    return 'none';
  }
  return attempt.reason === null ? 'yes' : 'no';
}

async function checkHealth(
  { now }: AgentContext,
  target: Target,
  attempt: Attempt,
): Promise<AgentEvent | null> {
  const finished = await attempt.conduct.checkHealth(target);
  if (finished === null) {
    attempt.reason = 'on trial: health is confirmed by hand';
    return null;
  }
  const { isGood, message } = finished;
  if (isGood) return { kind: 'healthy' };
  attempt.reason = `on trial: ${message}`;
  const mishap = { stage: 'health', code: 'agent/unhealthy', message } as const;
  return { kind: 'unhealthy', mishap, nowMs: now().getTime() };
}

async function report(
  context: AgentContext,
  state: AgentState,
  attempt: Attempt,
): Promise<AgentEvent> {
  if (!('outcome' in state) || state.outcome === null) throw new Error('nothing to report');
  const { outcome } = state;
  const hook = hookAfter(state);
  if (hook !== null) await runHook(context, hook, outcome.target);
  await keepOutcome(context, outcome);
  attempt.outcome = outcome;
  return { kind: 'reported' };
}

/** Null on a host that reports that it does not come back: it is not there yet. */
function hookAfter(state: Extract<AgentState, { readonly outcome: unknown }>): AfterHook | null {
  if (state.kind === 'fallen-back') return state.isBack ? 'after-fallback' : null;
  return state.outcome?.mishap === null ? 'after-confirm' : 'after-failure';
}
