import type { Update } from '../core/decide.ts';
import { formatInstant } from '../core/instant.ts';
import { lead, newAttempt, reasonOf } from './attempt.ts';
import type { Attempt } from './attempt.ts';
import { automatic } from './conduct.ts';
import type { AgentContext } from './context.ts';
import { deliver } from './deliver.ts';
import { retryAfterOf } from './errors.ts';
import { givenUp } from './failures.ts';
import { mayGoOn } from './machine.ts';
import { isByHand } from './machine-state.ts';
import type { AgentState, Target } from './machine-state.ts';
import { ask, checkInState } from './order.ts';
import type { Order } from './order.ts';
import { settle } from './settle.ts';
import type { Settled } from './settle.ts';
import type { SealedSlot } from './slots/slots.ts';
import { isFor, targetOf } from './target.ts';

/** What one poll cycle did. */
export type CycleResult = {
  /**
   * `available` waits to be brought here, `staged` to be activated, `ready` for a boot; `confirming` is on trial; `refused` means that signed files
   * do not allow what the server asked for; after `failed` nothing is lost, and a later cycle tries again.
   */
  readonly result:
    | 'stayed'
    | 'updated'
    | 'rolled-back'
    | 'available'
    | 'staged'
    | 'ready'
    | 'confirming'
    | 'refused'
    | 'failed';
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

/**
 * One poll cycle: go on with what is under way, ask, verify, fill the inactive slot, ask once more, activate, prove health,
 * report. It may be killed anywhere; the next cycle goes on from the journal and the slots. Throws AgentError where there is
 * nothing to go on with: no active release, a disk that fails, or `signal`.
 */
export async function runCycle(context: AgentContext): Promise<CycleResult> {
  const { journal, onEvent, now } = context;
  const settled = await settle(context, (active) => automatic(context, active, null));
  const { left, state, attempt } = settled;
  const end = left.kind === 'idle' || isOpen(attempt) ? null : endOf(left.target, state, attempt);
  const polled = await poll(context, settled);
  // What a killed agent had done already is this cycle's news, unless there is more.
  const result = end !== null && polled.result === 'stayed' ? end : polled;
  const { result: kind, reason } = result;
  await journal.writeLastPoll({ at: formatInstant(now()), result: kind, reason });
  onEvent('cycle', result);
  return result;
}

async function poll(
  context: AgentContext,
  { state, active, attempt: { reason: waitsFor } }: Settled,
): Promise<CycleResult> {
  const running = active.release;
  const stayed: CycleResult = {
    ...{ result: 'stayed', from: running.version, to: null, direction: null, bytesFetched: 0 },
    ...{ reason: null, eligibleAt: null, nextCheckInSeconds: null, retryAfterSeconds: null },
  };
  let order: Order;
  try {
    const failed = givenUp(state, context.now().getTime());
    order = await ask(context, { running, state: checkInState(state), failed });
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
  const update = decision?.decision === 'update' ? decision : null;
  if (state.kind === 'ready' && !isByHand(state.target))
    return reconsider(context, { state, active, update, answered, waitsFor, reason });
  if (state.kind === 'ready' || state.kind === 'rebooting' || state.kind === 'confirming') {
    const result = state.kind === 'confirming' ? 'confirming' : 'ready';
    return { ...answered, ...fateOf(state.target), result, reason: waitsFor };
  }
  if (update === null || repository === null) {
    if (state.kind === 'staged')
      return { ...answered, ...fateOf(state.target), result: 'staged', reason };
    if (state.kind === 'available') await drop(context, state, active);
    return { ...answered, reason };
  }
  const target = targetOf(state, running.version, update);
  const nowMs = context.now().getTime();
  if (!mayGoOn(state, target, nowMs)) {
    return { ...answered, ...fateOf(target), reason: 'backoff' };
  }
  const attempt = newAttempt(active, automatic(context, active, repository));
  const first = { kind: 'offered', target, nowMs, insists: false } as const;
  const after = await lead(context, state, { first, attempt });
  const end = endOf(target, after, attempt);
  if (end === null) throw new Error(`an attempt ended in state ${after.kind}`);
  if (end.result === 'updated' || end.result === 'rolled-back') await deliver(context);
  return {
    ...{ ...answered, ...end, from: running.version, eligibleAt, nextCheckInSeconds },
    retryAfterSeconds: end.retryAfterSeconds ?? retryAfterSeconds,
  };
}

/** While a boot is awaited the rollout may be paused or taken back: then the host is to stay where it is. */
async function reconsider(
  context: AgentContext,
  {
    state,
    active,
    update,
    answered,
    waitsFor,
    reason,
  }: {
    readonly state: Extract<AgentState, { kind: 'ready' }>;
    readonly active: SealedSlot;
    readonly update: Update | null;
    readonly answered: CycleResult;
    readonly waitsFor: string | null;
    readonly reason: string;
  },
): Promise<CycleResult> {
  const { target } = state;
  if (update !== null && isFor(update, target)) {
    return { ...answered, ...fateOf(target), result: 'ready', reason: waitsFor };
  }
  await drop(context, state, active);
  return { ...answered, ...fateOf(target), result: 'staged', reason };
}

/** Takes an attempt back whose order does not stand any more. */
async function drop(context: AgentContext, state: AgentState, active: SealedSlot): Promise<void> {
  const attempt = newAttempt(active, automatic(context, active, null));
  await lead(context, state, { first: { kind: 'cancelled' }, attempt });
}

function isOpen({ end, outcome }: Attempt): boolean {
  return end === 'open' && outcome === null;
}

function waitingResult({
  kind,
}: AgentState): 'available' | 'staged' | 'ready' | 'confirming' | null {
  if (kind === 'available' || kind === 'staged' || kind === 'confirming') return kind;
  return kind === 'ready' || kind === 'rebooting' ? 'ready' : null;
}

/** What became of an attempt; null if it was dropped without a word. */
function endOf(target: Target, after: AgentState, attempt: Attempt): CycleResult | null {
  const { bytesFetched, retryAfterSeconds, end, outcome } = attempt;
  const ended = {
    ...{ from: attempt.active.release.version, bytesFetched, reason: attempt.reason },
    ...{ ...fateOf(target), eligibleAt: null, nextCheckInSeconds: null, retryAfterSeconds },
  };
  if (outcome !== null) {
    const { mishap } = outcome;
    if (mishap !== null) {
      return { ...ended, result: 'failed', reason: `${mishap.code}: ${mishap.message}` };
    }
    const result = target.direction === 'forward' ? 'updated' : 'rolled-back';
    return { ...ended, from: target.from, result, reason: null };
  }
  if (end !== 'open') return { ...ended, result: end };
  const waits = waitingResult(after);
  return waits === null ? null : { ...ended, result: waits };
}

function fateOf({ to, direction }: Target): Pick<CycleResult, 'to' | 'direction'> {
  return { to, direction };
}
