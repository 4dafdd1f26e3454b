import { ExpectedError } from '../core/errors.ts';
import { formatInstant } from '../core/instant.ts';
import type { Release } from '../core/release.ts';
import type { AgentContext } from './context.ts';
import { AgentError } from './errors.ts';
import { fetchRelease, fillInactiveSlot } from './install.ts';
import { mayTry, next } from './machine.ts';
import type { AgentEvent, AgentState, Target } from './machine.ts';
import { ask } from './order.ts';
import { requirePermission } from './permission.ts';
import type { VerifiedRepository } from './tuf/client.ts';

/** What one poll cycle did. */
export type CycleResult = {
  readonly result: 'stayed' | 'updated' | 'rolled-back' | 'waiting' | 'failed';
  readonly from: string;
  readonly to: string | null;
  /** Why it stayed, waits or failed. */
  readonly reason: string | null;
  readonly eligibleAt: string | null;
  /** Bytes of images that came over the network. */
  readonly bytesFetched: number;
  readonly nextCheckInSeconds: number | null;
};

/**
 * One poll cycle: ask, verify, fill the inactive slot, ask once more, activate, confirm, report. It may be killed anywhere;
 * the next cycle goes on from the journal and the slots. Throws AgentError where there is nothing it could go on with.
 */
export async function runCycle(context: AgentContext): Promise<CycleResult> {
  const { slots, journal, onEvent } = context;
  const { state, isDamaged } = await journal.read();
  if (isDamaged) onEvent('journal-damaged', {});
  const { active } = await slots.read();
  if (active === null) {
    throw new AgentError('agent/slots', 'no release is active on this host', {
      hints: ['run `tidegate agent provision` once'],
    });
  }
  const running = active.release;
  const settled = await settle(context, state, running);
  const result = await poll(context, settled, running);
  await journal.writeLastPoll({
    at: formatInstant(context.now()),
    result: result.result,
    reason: result.reason,
  });
  return result;
}

/** Ends what a killed agent had begun: an activation that took place is confirmed and reported now. */
async function settle(
  context: AgentContext,
  state: AgentState,
  running: Release,
): Promise<AgentState> {
  if (state.kind !== 'confirming') return state;
  if (running.version === state.target.to) {
    await confirm(context, state.target);
    return step(context, state, { kind: 'confirmed' });
  }
  // It died between the permission and the flip: the release is staged, and the question is asked again.
  const staged: AgentState = { kind: 'staged', target: state.target };
  await context.journal.write(staged);
  return staged;
}

async function poll(
  context: AgentContext,
  state: AgentState,
  running: Release,
): Promise<CycleResult> {
  const asked = await ask(context, { running, state: 'idle' });
  const { decision, repository, nextCheckInSeconds } = asked;
  const base = {
    from: running.version,
    to: null,
    eligibleAt: asked.eligibleAt,
    bytesFetched: 0,
    nextCheckInSeconds,
  };
  if (decision?.decision !== 'update' || repository === null) {
    if (state.kind !== 'idle') await step(context, state, { kind: 'dropped' });
    return { ...base, result: 'stayed', reason: asked.reason };
  }
  const target: Target = {
    rolloutId: decision.rolloutId,
    from: running.version,
    to: decision.release.version,
    direction: decision.direction,
  };
  if (!mayTry(state, target.to, context.now().getTime())) {
    return { ...base, result: 'stayed', to: target.to, reason: 'backoff' };
  }
  const install = { state, running, repository, target };
  return { ...base, to: target.to, ...(await move(context, install)) };
}

type Install = {
  readonly state: AgentState;
  readonly running: Release;
  readonly repository: VerifiedRepository;
  readonly target: Target;
};

async function move(
  context: AgentContext,
  { state, running, repository, target }: Install,
): Promise<Pick<CycleResult, 'result' | 'reason' | 'bytesFetched'>> {
  const { slots, onEvent } = context;
  let stage = 'verify';
  let bytesFetched = 0;
  let at = state;
  try {
    const fetched = await fetchRelease(repository, { ...context.config.host, version: target.to });
    requirePermission(running, fetched.release);
    at = await step(context, at, { kind: 'offered', target });
    stage = 'install';
    bytesFetched = await fillInactiveSlot(context, repository, fetched);
    at = await step(context, at, { kind: 'sealed' });
    onEvent('staged', { to: target.to, bytesFetched });
    stage = 'activate';
    if (!(await isStillWanted(context, running, target))) {
      return {
        result: 'waiting',
        reason: 'the last question before activation was answered with no',
        bytesFetched,
      };
    }
    at = await step(context, at, { kind: 'allowed' });
    await slots.activate(target.to);
    await confirm(context, target);
    await step(context, at, { kind: 'confirmed' });
    onEvent('activated', target);
    return {
      result: target.direction === 'forward' ? 'updated' : 'rolled-back',
      reason: null,
      bytesFetched,
    };
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    if (context.signal?.aborted === true) throw error;
    await fail(context, at, { target, stage, error });
    return { result: 'failed', reason: `${error.code}: ${error.message}`, bytesFetched };
  }
}

/** The andon cord: between staging and activation somebody may have paused the rollout. */
async function isStillWanted(
  context: AgentContext,
  running: Release,
  target: Target,
): Promise<boolean> {
  const { decision } = await ask(context, { running, state: 'staged' });
  return decision?.decision === 'update' && decision.release.version === target.to;
}

async function confirm({ config, reports, now }: AgentContext, target: Target): Promise<void> {
  if (config.server === null) return;
  await reports.add({
    rolloutId: target.rolloutId,
    from: target.from,
    to: target.to,
    outcome: target.direction === 'forward' ? 'updated' : 'rolled-back',
    stage: 'confirm',
    at: formatInstant(now()),
  });
}

async function fail(
  context: AgentContext,
  state: AgentState,
  {
    target,
    stage,
    error,
  }: { readonly target: Target; readonly stage: string; readonly error: ExpectedError },
): Promise<void> {
  const { reports, config, now, onEvent } = context;
  onEvent('failed', { ...target, stage, code: error.code, message: error.message });
  // A network that fails says nothing about the release, and the next cycle tries again; the rest is an outcome.
  if (error.code === 'agent/unreachable' || error.code === 'agent/locked') return;
  const failure = { to: target.to, stage, code: error.code, message: error.message.slice(0, 1000) };
  await step(context, state, { kind: 'failed', failure, nowMs: now().getTime() });
  if (config.server === null) return;
  await reports.add({
    rolloutId: target.rolloutId,
    from: target.from,
    to: target.to,
    outcome: 'failed',
    stage,
    error: `${error.code}: ${error.message}`.slice(0, 2000).replaceAll(/\p{C}/gu, ' '),
    at: formatInstant(now()),
  });
}

async function step(
  { journal, onEvent }: AgentContext,
  state: AgentState,
  event: AgentEvent,
): Promise<AgentState> {
  const after = next(state, event);
  await journal.write(after);
  onEvent('state', { from: state.kind, to: after.kind });
  return after;
}
