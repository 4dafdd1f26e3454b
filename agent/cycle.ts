import { randomUUID } from 'node:crypto';
import type { Update } from '../core/decide.ts';
import { formatInstant } from '../core/instant.ts';
import { lead, reasonOf } from './attempt.ts';
import type { Attempt } from './attempt.ts';
import type { AgentContext } from './context.ts';
import { AgentError, retryAfterOf } from './errors.ts';
import { mayTry } from './failures.ts';
import type { AgentState, Target } from './machine-state.ts';
import type { Facts } from './machine.ts';
import { ask, askServer } from './order.ts';
import type { Order } from './order.ts';
import type { SealedSlot, SlotsState } from './slots/slots.ts';

/** What one poll cycle did. */
export type CycleResult = {
  /**
   * `staged` waits for permission to activate, `ready` for a boot; `confirming` is on trial; `refused` means that signed files
   * do not allow what the server asked for; after `failed` nothing is lost, and a later cycle tries again.
   */
  readonly result:
    'stayed' | 'updated' | 'rolled-back' | 'staged' | 'ready' | 'confirming' | 'refused' | 'failed';
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
  const { slots, journal, onEvent, now } = context;
  const { state: left, isDamaged } = await journal.read();
  if (isDamaged) onEvent('journal-damaged', {});
  const found = await slots.read();
  const active = requireActive(found);
  const settling = attemptOf(context, { active, repository: null });
  const facts = await factsOf(context, found, active);
  const first = {
    kind: 'started',
    facts,
    nowMs: now().getTime(),
    random: context.random(),
  } as const;
  const state = await lead(context, left, { first, attempt: settling });
  const settled = left.kind === 'idle' ? null : endOf(left.target, state, settling);
  // Where nothing was done, what runs is what ran.
  const runs = state === left ? active : requireActive(await slots.read());
  const polled = await poll(context, state, runs);
  // What a killed agent had done already is this cycle's news, unless there is more.
  const result = settled !== null && polled.result === 'stayed' ? settled : polled;
  const { result: kind, reason } = result;
  await journal.writeLastPoll({ at: formatInstant(now()), result: kind, reason });
  onEvent('cycle', result);
  return result;
}

function requireActive({ active }: SlotsState): SealedSlot {
  if (active !== null) return active;
  throw new AgentError('agent/slots', 'no release is active on this host', {
    hints: ['run `tidegate agent provision` once'],
  });
}

async function factsOf(
  { system }: AgentContext,
  { inactive, nextToBoot, isTriedInVain }: SlotsState,
  active: SealedSlot,
): Promise<Facts> {
  const running = active.release.version;
  const other = inactive?.release.version;
  return {
    running,
    nextToBoot: nextToBoot === 'inactive' && other !== undefined ? other : running,
    isTriedInVain,
    bootId: await system.bootId(),
  };
}

function attemptOf(context: AgentContext, of: Pick<Attempt, 'active' | 'repository'>): Attempt {
  return {
    ...of,
    ask: (target) => lastRefusal(context, of.active, target),
    bytesFetched: 0,
    reason: null,
    end: 'open',
    retryAfterSeconds: null,
    outcome: null,
  };
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
    order = await ask(context, { running, state: checkInState(state) });
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
  if (state.kind === 'ready')
    return reconsider(context, { state, active, update, answered, reason });
  if (state.kind === 'rebooting' || state.kind === 'confirming') {
    const result = state.kind === 'confirming' ? 'confirming' : 'ready';
    return { ...answered, ...fateOf(state.target), result };
  }
  if (update === null || repository === null) {
    return state.kind === 'staged'
      ? { ...answered, ...fateOf(state.target), result: 'staged', reason }
      : { ...answered, reason };
  }
  const target = targetOf(state, running.version, update);
  const nowMs = context.now().getTime();
  if (!mayTry(state, target, nowMs)) {
    return { ...answered, ...fateOf(target), reason: 'backoff' };
  }
  const attempt = attemptOf(context, { active, repository });
  const first = { kind: 'offered', target, nowMs } as const;
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
    reason,
  }: {
    readonly state: Extract<AgentState, { kind: 'ready' }>;
    readonly active: SealedSlot;
    readonly update: Update | null;
    readonly answered: CycleResult;
    readonly reason: string;
  },
): Promise<CycleResult> {
  const { target } = state;
  if (update !== null && isFor(update, target)) {
    return { ...answered, ...fateOf(target), result: 'ready', reason: 'it takes a boot' };
  }
  const attempt = attemptOf(context, { active, repository: null });
  await lead(context, state, { first: { kind: 'cancelled' }, attempt });
  return { ...answered, ...fateOf(target), result: 'staged', reason };
}

/** As the server knows states: a host that was told to boot is ready for it. */
function checkInState({ kind }: AgentState) {
  return kind === 'rebooting' ? 'ready' : kind;
}

function waitingResult({ kind }: AgentState): 'staged' | 'ready' | 'confirming' | null {
  if (kind === 'staged' || kind === 'confirming') return kind;
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

/** The attempt that is staged already, if it is the same; else a new one. */
function targetOf(state: AgentState, from: string, update: Update): Target {
  if (state.kind === 'staged' && isFor(update, state.target)) return state.target;
  const { rolloutId, direction, release, attempt } = update;
  return { id: randomUUID(), rolloutId, from, to: release.version, direction, attempt };
}

function isFor(
  { rolloutId, direction, release }: Update,
  target: Pick<Target, 'rolloutId' | 'direction' | 'to'>,
): boolean {
  return (
    target.rolloutId === rolloutId &&
    target.to === release.version &&
    target.direction === direction
  );
}

/** Null if the order still stands, else why not. */
async function lastRefusal(
  context: AgentContext,
  active: SealedSlot,
  target: Target,
): Promise<string | null> {
  const { decision, reason } = await ask(context, { running: active.release, state: 'staged' });
  return decision?.decision === 'update' && isFor(decision, target) ? null : reason;
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
