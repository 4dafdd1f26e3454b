import { randomUUID } from 'node:crypto';
import type { Update } from '../core/decide.ts';
import { ExpectedError } from '../core/errors.ts';
import { formatInstant } from '../core/instant.ts';
import type { AgentContext } from './context.ts';
import { AgentError, retryAfterOf } from './errors.ts';
import { fetchRelease, fillInactiveSlot } from './install.ts';
import { IDLE, mayTry, next } from './machine.ts';
import type { AgentEvent, AgentState, Target } from './machine.ts';
import { ask, askServer } from './order.ts';
import type { Order } from './order.ts';
import { reportFailure, reportSuccess } from './outcome.ts';
import { requirePermission } from './permission.ts';
import { runningRelease } from './running-release.ts';
import type { SealedSlot } from './slots/slots.ts';
import type { VerifiedRepository } from './tuf/client.ts';

/** What one poll cycle did. */
export type CycleResult = {
  /**
   * `staged` waits for permission to activate; `refused` means that signed files do not allow what the server asked for; after
   * `failed` nothing is lost, and a later cycle tries again.
   */
  readonly result: 'stayed' | 'updated' | 'rolled-back' | 'staged' | 'refused' | 'failed';
  readonly from: string;
  readonly to: string | null;
  readonly direction: 'forward' | 'rollback' | null;
  /** Bytes of images that came over the network. */
  readonly bytesFetched: number;
  /** Why it stayed, waits, refused or failed. */
  readonly reason: string | null;
  readonly eligibleAt: string | null;
  readonly nextCheckInSeconds: number | null;
  /** How long a server that took no check-in asks to be left alone. */
  readonly retryAfterSeconds: number | null;
};

type Outcome = Pick<CycleResult, 'result' | 'reason' | 'bytesFetched'> &
  Partial<Pick<CycleResult, 'retryAfterSeconds'>>;

/**
 * One poll cycle: ask, verify, fill the inactive slot, ask once more, activate, confirm, report. It may be killed anywhere;
 * the next cycle goes on from the journal and the slots. Throws AgentError where there is nothing to go on with: no active
 * release, a disk that fails, or `signal`.
 */
export async function runCycle(context: AgentContext): Promise<CycleResult> {
  const { slots, journal, onEvent, now } = context;
  const { state: left, isDamaged } = await journal.read();
  if (isDamaged) onEvent('journal-damaged', {});
  const { active } = await slots.read();
  if (active === null) {
    throw new AgentError('agent/slots', 'no release is active on this host', {
      hints: ['run `tidegate agent provision` once'],
    });
  }
  const started = await step(context, left, { kind: 'started', running: active.release.version });
  const settled = started.kind === 'confirming' ? await confirm(context, started) : null;
  const polled = await poll(context, settled === null ? started : IDLE, active);
  // What a killed agent had done already is this cycle's news, unless there is more.
  const result = settled !== null && polled.result === 'stayed' ? settled : polled;
  await journal.writeLastPoll({
    at: formatInstant(now()),
    result: result.result,
    reason: result.reason,
  });
  onEvent('cycle', result);
  return result;
}

async function poll(
  context: AgentContext,
  state: AgentState,
  active: SealedSlot,
): Promise<CycleResult> {
  const running = active.release;
  const stayed: CycleResult = {
    ...{ result: 'stayed', from: running.version, to: null, direction: null, bytesFetched: 0 },
    ...{ reason: null, eligibleAt: null, nextCheckInSeconds: null, retryAfterSeconds: null },
  };
  let order: Order;
  try {
    order = await ask(context, { running, state: state.kind });
  } catch (error) {
    const reason = reasonOf(context, error);
    return { ...stayed, result: 'failed', reason, retryAfterSeconds: retryAfterOf(error) };
  }
  const { decision, refused, repository, reason } = order;
  const { eligibleAt, nextCheckInSeconds, retryAfterSeconds } = order;
  const answered = { ...stayed, eligibleAt, nextCheckInSeconds, retryAfterSeconds };
  if (refused !== null) {
    const { version: to, direction } = refused;
    context.onEvent('refused', { ...refused, reason });
    return { ...answered, result: 'refused', to, direction, reason };
  }
  if (decision?.decision !== 'update' || repository === null) {
    return state.kind === 'staged'
      ? { ...answered, ...fateOf(state.target), result: 'staged', reason }
      : { ...answered, reason };
  }
  const target = targetOf(state, running.version, decision);
  if (!mayTry(state, target, context.now().getTime())) {
    return { ...answered, ...fateOf(target), reason: 'backoff' };
  }
  const outcome = await move(context, { state, active, repository, target });
  return { ...answered, ...fateOf(target), ...outcome };
}

function fateOf({ to, direction }: Target): Pick<CycleResult, 'to' | 'direction'> {
  return { to, direction };
}

/** The attempt that is staged already, if it is the same; else a new one. */
function targetOf(state: AgentState, from: string, update: Update): Target {
  const { rolloutId, direction, release, attempt } = update;
  const wanted = { rolloutId, from, to: release.version, direction, attempt };
  if (state.kind === 'staged') {
    const { target } = state;
    const isSame =
      target.rolloutId === rolloutId && target.to === wanted.to && target.direction === direction;
    if (isSame) return target;
  }
  return { id: randomUUID(), ...wanted };
}

type Move = {
  readonly state: AgentState;
  readonly active: SealedSlot;
  readonly repository: VerifiedRepository;
  readonly target: Target;
};

/** The order of an install: nothing is touched before all is verified, and the journal is always one step ahead. */
async function move(
  context: AgentContext,
  { state, active, repository, target }: Move,
): Promise<Outcome> {
  const { slots, config, onEvent } = context;
  let stage = 'verify';
  let bytesFetched = 0;
  let at = state;
  try {
    const fetched = await fetchRelease(repository, { ...config.host, version: target.to });
    const running =
      target.direction === 'rollback'
        ? await runningRelease(repository, active.release)
        : active.release;
    requirePermission(running, fetched.release, target.direction);
    at = await step(context, at, { kind: 'offered', target });
    stage = 'install';
    bytesFetched = await fillInactiveSlot(context, repository, fetched);
    at = await step(context, at, { kind: 'sealed' });
    onEvent('staged', { to: target.to, bytesFetched });
    stage = 'ask';
    const refusal = await lastRefusal(context, { active, state: at, target });
    if (refusal !== null) return { result: 'staged', reason: refusal, bytesFetched };
    stage = 'activate';
    at = await step(context, at, { kind: 'allowed' });
    await slots.activate(target.to);
  } catch (error) {
    const reason = reasonOf(context, error);
    if (error instanceof AgentError && error.code === 'agent/not-permitted') {
      onEvent('refused', { ...target, reason });
      return { result: 'refused', reason, bytesFetched };
    }
    if (error instanceof ExpectedError) await fail(context, at, { target, stage, error });
    return { result: 'failed', reason, bytesFetched, retryAfterSeconds: retryAfterOf(error) };
  }
  if (at.kind !== 'confirming') throw new Error(`activated in state ${at.kind}`);
  const { result, reason } = await confirm(context, at);
  await deliver(context);
  return { result, reason, bytesFetched };
}

/** The andon cord: between staging and activation somebody may have paused the rollout. Null if nobody has. */
async function lastRefusal(
  context: AgentContext,
  { active, state, target }: Pick<Move, 'active' | 'target'> & { readonly state: AgentState },
): Promise<string | null> {
  const { decision, reason } = await ask(context, { running: active.release, state: state.kind });
  const isSame =
    decision?.decision === 'update' &&
    decision.release.version === target.to &&
    decision.direction === target.direction &&
    decision.rolloutId === target.rolloutId;
  return isSame ? null : reason;
}

/** After the flip: what is active is what was wanted, and the outcome is kept until the server has it. */
async function confirm(
  context: AgentContext,
  state: Extract<AgentState, { kind: 'confirming' }>,
): Promise<CycleResult> {
  const { target } = state;
  const { active } = await context.slots.read();
  if (active?.release.version !== target.to) {
    throw new AgentError('agent/slots', `release ${target.to} was activated, but is not active`);
  }
  // Before the journal: a report that is made twice has the same id, one that is not made is lost.
  await reportSuccess(context, target);
  await step(context, state, { kind: 'confirmed' });
  context.onEvent('activated', target);
  return {
    result: target.direction === 'forward' ? 'updated' : 'rolled-back',
    from: target.from,
    ...fateOf(target),
    ...{ bytesFetched: 0, reason: null, eligibleAt: null },
    ...{ nextCheckInSeconds: null, retryAfterSeconds: null },
  };
}

/** Tells the server at once; if that fails, the next check-in does. */
async function deliver(context: AgentContext): Promise<void> {
  const { config, slots, onEvent } = context;
  const { active } = await slots.read();
  if (config.server === null || active === null) return;
  try {
    await askServer(context, { running: active.release, state: 'idle' });
  } catch (error) {
    onEvent('report-waits', { reason: reasonOf(context, error) });
  }
}

async function fail(
  context: AgentContext,
  state: AgentState,
  failed: { readonly target: Target; readonly stage: string; readonly error: ExpectedError },
): Promise<void> {
  const { target, stage, error } = failed;
  const { now, onEvent } = context;
  onEvent('failed', { ...target, stage, code: error.code, message: error.message });
  // A network that fails, or a question without an answer, says nothing about the release: the next cycle tries again.
  if (error.code === 'agent/unreachable' || stage === 'ask') return;
  const { to, attempt } = target;
  const failure = { to, attempt, stage, code: error.code, message: error.message.slice(0, 1000) };
  await reportFailure(context, failed);
  await step(context, state, { kind: 'failed', failure, nowMs: now().getTime() });
}

/** The reason in words, for failures that were foreseen; a bug, or being told to stop, is thrown on. */
function reasonOf({ signal }: AgentContext, error: unknown): string {
  if (!(error instanceof ExpectedError) || signal?.aborted === true) throw error;
  return `${error.code}: ${error.message}`;
}

async function step(
  { journal, onEvent }: AgentContext,
  state: AgentState,
  event: AgentEvent,
): Promise<AgentState> {
  const after = next(state, event);
  if (after === state) return state;
  await journal.write(after);
  onEvent('state', { from: state.kind, to: after.kind });
  return after;
}
