import type { Update } from '../core/decide.ts';
import { newAttempt } from './attempt.ts';
import { automatic } from './conduct.ts';
import type { AgentContext } from './context.ts';
import { endOf, fateOf } from './cycle-result.ts';
import type { CycleResult } from './cycle-result.ts';
import { deliver } from './deliver.ts';
import { retryAfterOf } from './errors.ts';
import { reasonOf } from './failed-step.ts';
import { notTriedNow } from './failures.ts';
import { lead } from './lead.ts';
import { mayGoOn } from './machine.ts';
import { isByHand, isOnWayBack } from './machine-state.ts';
import type { AgentState, StateOf, Target } from './machine-state.ts';
import type { AgentEvent } from './machine-events.ts';
import { ask, checkInState } from './order.ts';
import type { Order } from './order.ts';
import { BOOT_ORDERED, waitsFor } from './refusals.ts';
import type { Settled } from './settle.ts';
import type { SealedSlot } from './slots/slots.ts';
import { isFor, targetOf } from './target.ts';

/** What a poll goes by: the order, the release that is to be taken by it, and the result so far. */
type Answer = {
  readonly order: Order;
  readonly update: Update | null;
  readonly answered: CycleResult;
};

/** Asks what the host is to do, and does as much of it as it may now. */
export async function poll(context: AgentContext, settled: Settled): Promise<CycleResult> {
  const { state, active } = settled;
  const running = active.release;
  const stayed: CycleResult = {
    ...{ result: 'stayed', from: running.version, to: null, direction: null, bytesFetched: 0 },
    ...{ reason: null, eligibleAt: null, nextCheckInSeconds: null, retryAfterSeconds: null },
  };
  let order: Order;
  try {
    order = await ask(context, {
      ...{ running, state: checkInState(state) },
      failed: notTriedNow(state, context.now().getTime()),
    });
  } catch (error) {
    const reason = reasonOf(context, error);
    return { ...stayed, result: 'failed', reason, retryAfterSeconds: retryAfterOf(error) };
  }
  const { decision, eligibleAt, nextCheckInSeconds, retryAfterSeconds } = order;
  const answered = { ...stayed, eligibleAt, nextCheckInSeconds, retryAfterSeconds };
  const update = decision?.decision === 'update' ? decision : null;
  return follow(context, settled, { order, update, answered });
}

async function follow(
  context: AgentContext,
  { state, active, attempt }: Settled,
  answer: Answer,
): Promise<CycleResult> {
  const { order, update, answered } = answer;
  const { reason, repository } = order;
  if (isToBoot(state) && !isByHand(state.target)) {
    return reconsider(context, { state, active }, answer);
  }
  const refused = refusalIn(context, answer);
  if (refused !== null) return refused;
  if (isToBoot(state) || state.kind === 'confirming' || isOnWayBack(state)) {
    const result = isToBoot(state) ? 'ready' : state.kind;
    const waits = attempt.reason ?? (await waitsFor(context, state));
    return { ...answered, ...fateOf(state.target), result, reason: waits };
  }
  if (update === null || repository === null) {
    if (state.kind === 'staged')
      return { ...answered, ...fateOf(state.target), result: 'staged', reason };
    if (state.kind === 'available') await drop(context, state, active);
    return { ...answered, reason };
  }
  const target = targetOf(state, active.release.version, update);
  const nowMs = context.now().getTime();
  if (!mayGoOn(state, target, nowMs)) {
    return { ...answered, ...fateOf(target), reason: 'backoff' };
  }
  const first = { kind: 'offered', target, nowMs, insists: false } as const;
  return goOn(context, { state, active, target, first }, answer);
}

/** Whether the release is the next to boot, or is being made that. */
function isToBoot(state: AgentState): state is StateOf<'ready' | 'rebooting'> {
  return state.kind === 'ready' || state.kind === 'rebooting';
}

/** What the server asked for and signed files do not allow. */
function refusalIn(
  { onEvent }: AgentContext,
  { order: { refused, reason }, answered }: Answer,
): CycleResult | null {
  if (refused === null) return null;
  const { version: to, direction } = refused;
  onEvent('refused', { ...refused, reason });
  return { ...answered, result: 'refused', to, direction, reason };
}

/** Before a host boots the rollout may be paused or taken back: then it is to stay where it is, whoever boots it. */
async function reconsider(
  context: AgentContext,
  {
    state,
    active,
  }: { readonly state: StateOf<'ready' | 'rebooting'>; readonly active: SealedSlot },
  answer: Answer,
): Promise<CycleResult> {
  const { order, update, answered } = answer;
  const { target } = state;
  if (update === null || !isFor(update, target)) {
    await drop(context, state, active);
    const dropped = {
      ...answered,
      ...fateOf(target),
      result: 'staged',
      reason: order.reason,
    } as const;
    return refusalIn(context, answer) ?? dropped;
  }
  if (state.kind === 'rebooting') {
    return { ...answered, ...fateOf(target), result: 'ready', reason: BOOT_ORDERED };
  }
  const first = { kind: 'allowed', bootId: await context.system.bootId() } as const;
  return goOn(context, { state, active, target, first }, answer);
}

async function goOn(
  context: AgentContext,
  {
    state,
    active,
    target,
    first,
  }: {
    readonly state: AgentState;
    readonly active: SealedSlot;
    readonly target: Target;
    readonly first: AgentEvent;
  },
  { order: { repository, eligibleAt, nextCheckInSeconds, retryAfterSeconds } }: Answer,
): Promise<CycleResult> {
  const attempt = newAttempt(active, automatic(context, active, repository));
  const after = await lead(context, state, { first, attempt });
  const end = endOf(target, after, attempt);
  if (end === null) throw new Error(`an attempt ended in state ${after.kind}`);
  if (end.result === 'updated' || end.result === 'rolled-back') await deliver(context, after);
  return {
    ...{ ...end, eligibleAt, nextCheckInSeconds, from: active.release.version },
    retryAfterSeconds: end.retryAfterSeconds ?? retryAfterSeconds,
  };
}

/** Takes an attempt back whose order does not stand any more. */
async function drop(context: AgentContext, state: AgentState, active: SealedSlot): Promise<void> {
  const attempt = newAttempt(active, automatic(context, active, null));
  await lead(context, state, { first: { kind: 'cancelled' }, attempt });
}
