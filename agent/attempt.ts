import { ExpectedError } from '../core/errors.ts';
import type { AgentContext } from './context.ts';
import { AgentError, retryAfterOf } from './errors.ts';
import { STEP_AWAITED } from './refusals.ts';
import type { UpdateStep } from './refusals.ts';
import { runHook } from './hooks.ts';
import type { AfterHook } from './hooks.ts';
import type { AgentState, Mishap, Outcome, Target } from './machine-state.ts';
import { next } from './machine.ts';
import type { AgentEvent, Effect } from './machine-events.ts';
import { keepOutcome } from './outcome.ts';
import type { Finished } from './programs.ts';
import type { SealedSlot } from './slots/slots.ts';

/** Who decides whether an attempt goes on, and where its release comes from. */
export type Conduct = {
  /** Whether the host lets it go on now: null if so, else why not. */
  readonly refusal: (step: UpdateStep, target: Target) => Promise<string | null>;
  /**
   * Makes sure that signed documents let this host go there. What it returns brings the release into the inactive slot,
   * sealed and just read through, and says how many bytes came over the network.
   */
  readonly verify: (target: Target) => Promise<() => Promise<number>>;
  /** Whether the staged release may be activated: null if so, else why not. */
  readonly ask: (target: Target) => Promise<string | null>;
  /** Whether the host is well on what it runs on trial; null where that is not for this attempt to say. */
  readonly checkHealth: (target: Target) => Promise<Finished | null>;
};

/** What a cycle goes on with, and what it learns on the way. */
export type Attempt = {
  /** What the host runs. */
  readonly active: SealedSlot;
  readonly conduct: Conduct;
  /** The inactive slot was read through in this attempt. */
  isVerified: boolean;
  /** Bytes of images that came over the network. */
  bytesFetched: number;
  /** Why it went no further. */
  reason: string | null;
  /** After `failed` a later cycle may try again; `refused` is what signed files do not allow. */
  end: 'open' | 'failed' | 'refused';
  /** How long a server that took no check-in asks to be left alone. */
  retryAfterSeconds: number | null;
  /** How an attempt ended, once that is in the queue of reports. */
  outcome: Outcome | null;
};

export function newAttempt(active: SealedSlot, conduct: Conduct): Attempt {
  return {
    ...{ active, conduct, isVerified: false, bytesFetched: 0, reason: null, end: 'open' },
    ...{ retryAfterSeconds: null, outcome: null },
  };
}

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
      return pass(STEP_AWAITED[effect], target, attempt);
    case 'fill':
      return fill(context, target, { attempt, done: { kind: 'sealed' } });
    case 'verify':
      return fill(context, target, { attempt, done: { kind: 'verified' } });
    case 'ask':
      return ask(context, target, attempt);
    case 'activate':
      return activate(context, target, attempt);
    case 'reboot':
      return reboot(context, target, attempt);
    case 'check-health':
      return checkHealth(target, attempt);
    case 'mark-good':
      await context.slots.markGood();
      context.onEvent('activated', target);
      return { kind: 'marked-good' };
    case 'deactivate':
      if (state.kind === 'ready') await runHook(context, 'after-cancel', target);
      else attempt.end = 'failed';
      return deactivate(context, target);
  }
}

async function pass(
  step: UpdateStep,
  target: Target,
  attempt: Attempt,
): Promise<AgentEvent | null> {
  attempt.reason = await attempt.conduct.refusal(step, target);
  return attempt.reason === null ? { kind: `${step}-permitted` } : null;
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

/** The andon cord: between staging and activation somebody may have paused the rollout. */
async function ask(
  context: AgentContext,
  target: Target,
  attempt: Attempt,
): Promise<AgentEvent | null> {
  try {
    attempt.reason = await attempt.conduct.ask(target);
  } catch (error) {
    noted(context, { error, stage: 'ask', target, attempt });
  }
  if (attempt.reason !== null) return null;
  return { kind: 'allowed', bootId: await context.system.bootId() };
}

async function activate(
  context: AgentContext,
  target: Target,
  attempt: Attempt,
): Promise<AgentEvent | null> {
  const { slots } = context;
  try {
    // What was tried in vain before is tried again because somebody asked for it.
    if ((await slots.read()).isTriedInVain) await slots.deactivate(target.from);
    await slots.activate(target.to);
  } catch (error) {
    const failed = { error, stage: 'activate', target, attempt } as const;
    // It may have taken effect all the same: the attempt is over only where the slot of before surely boots.
    if (await isTakenBack(context, target)) return failedBy(context, failed);
    noted(context, failed);
    return null;
  }
  return { kind: 'activated', needsReboot: slots.needsReboot };
}

/** False where the disk does not take that either: then the next cycle goes by what the slots say. */
async function isTakenBack({ slots }: AgentContext, { from }: Target): Promise<boolean> {
  try {
    await slots.deactivate(from);
    return true;
  } catch (error) {
    if (error instanceof AgentError) return false;
    throw error;
  }
}

async function reboot(
  context: AgentContext,
  target: Target,
  attempt: Attempt,
): Promise<AgentEvent | null> {
  context.onEvent('reboot', target);
  try {
    await context.system.reboot();
  } catch (error) {
    noted(context, { error, stage: 'reboot', target, attempt });
    return { kind: 'reboot-refused' };
  }
  attempt.reason = 'the system was asked to boot';
  return null;
}

async function checkHealth(target: Target, attempt: Attempt): Promise<AgentEvent | null> {
  const finished = await attempt.conduct.checkHealth(target);
  if (finished === null) {
    attempt.reason = 'on trial: health is confirmed by hand';
    return null;
  }
  const { isGood, message } = finished;
  if (isGood) return { kind: 'healthy' };
  return { kind: 'unhealthy', mishap: { stage: 'health', code: 'agent/unhealthy', message } };
}

async function deactivate(
  { slots, now, random }: AgentContext,
  { from }: Target,
): Promise<AgentEvent> {
  await slots.deactivate(from);
  const { active } = await slots.read();
  const needsReboot = active?.release.version !== from;
  return { kind: 'deactivated', needsReboot, nowMs: now().getTime(), random: random() };
}

async function report(
  context: AgentContext,
  state: AgentState,
  attempt: Attempt,
): Promise<AgentEvent> {
  if (!('outcome' in state) || state.outcome === null) throw new Error('nothing to report');
  const { outcome } = state;
  await runHook(context, hookAfter(state.kind, outcome), outcome.target);
  await keepOutcome(context, outcome);
  attempt.outcome = outcome;
  return { kind: 'reported' };
}

function hookAfter(kind: AgentState['kind'], { mishap }: Outcome): AfterHook {
  if (mishap === null) return 'after-confirm';
  return kind === 'fallen-back' ? 'after-fallback' : 'after-failure';
}

type Failed<S> = {
  readonly error: unknown;
  readonly stage: S;
  readonly target: Target;
  readonly attempt: Attempt;
};

/** What a failure means for the attempt. A network that fails says nothing about the release. */
function failedBy(context: AgentContext, failed: Failed<Mishap['stage']>): AgentEvent | null {
  const { error, stage, target, attempt } = failed;
  const { onEvent, now, random } = context;
  if (error instanceof AgentError && error.code === 'agent/not-permitted') {
    attempt.reason = reasonOf(context, error);
    attempt.end = 'refused';
    onEvent('refused', { ...target, reason: attempt.reason });
    return { kind: 'cancelled' };
  }
  const { code, message } = noted(context, failed);
  if (code === 'agent/unreachable') return null;
  const mishap = { stage, code, message: message.slice(0, 1000) };
  return { kind: 'failed', mishap, nowMs: now().getTime(), random: random() };
}

/** Takes note of a failure that was foreseen, for the result and for whoever listens. */
function noted(
  context: AgentContext,
  { error, stage, target, attempt }: Failed<string>,
): Pick<Mishap, 'code' | 'message'> {
  attempt.reason = reasonOf(context, error);
  attempt.retryAfterSeconds = retryAfterOf(error);
  attempt.end = 'failed';
  const { code, message } = detailsOf(error);
  context.onEvent('failed', { ...target, stage, code, message });
  return { code, message };
}

function detailsOf(error: unknown): Pick<Mishap, 'code' | 'message'> {
  if (error instanceof ExpectedError) return { code: String(error.code), message: error.message };
  throw error;
}

/** The reason in words, for failures that were foreseen; a bug, or being told to stop, is thrown on. */
export function reasonOf({ signal }: AgentContext, error: unknown): string {
  if (!(error instanceof ExpectedError) || signal?.aborted === true) throw error;
  return `${error.code}: ${error.message}`;
}
