import { randomUUID } from 'node:crypto';
import { formatInstant } from '../core/instant.ts';
import { compareVersions } from '../core/version.ts';
import { newAttempt } from './attempt.ts';
import type { Attempt, Conduct } from './attempt.ts';
import { fromSlot } from './bring.ts';
import { automatic } from './conduct.ts';
import type { AgentContext } from './context.ts';
import type { CycleResult } from './cycle-result.ts';
import { deliver } from './deliver.ts';
import { AgentError } from './errors.ts';
import { lead } from './lead.ts';
import { refusalByHand } from './refusals.ts';
import type { UpdateStep } from './refusals.ts';
import { legalVerbs } from './legal-verbs.ts';
import type { Verb } from './legal-verbs.ts';
import { isByHand } from './machine-state.ts';
import type { AgentState, Mishap } from './machine-state.ts';
import type { AgentEvent } from './machine-events.ts';
import { ask, checkInState } from './order.ts';
import { settle } from './settle.ts';
import type { Settled } from './settle.ts';
import type { SealedSlot } from './slots/slots.ts';
import { targetOf } from './target.ts';

/** What a verb did: `from` is the version that the host ran before it, `reason` what the order says or what is waited for. */
export type VerbResult = Pick<
  CycleResult,
  'from' | 'to' | 'direction' | 'bytesFetched' | 'reason' | 'eligibleAt'
> & {
  readonly verb: Verb;
  /** Where the agent stands after it. */
  readonly state: AgentState['kind'];
};

type Kind = AgentState['kind'];
/** A check asks and takes no step. */
type StepVerb = Exclude<Verb, 'check'>;

/** Where a verb leads that did what it is for. */
const REACHED: Readonly<Record<StepVerb, readonly Kind[]>> = {
  prepare: ['staged'],
  apply: ['ready', 'confirming', 'idle'],
  reboot: ['rebooting', 'fallen-back'],
  confirm: ['idle'],
  cancel: ['idle', 'staged'],
  rollback: ['ready', 'confirming', 'idle', 'fallen-back'],
};

/** The steps that a verb asks for. */
const STEPS_OF: Readonly<Record<StepVerb, readonly UpdateStep[]>> = {
  prepare: ['prepare'],
  apply: ['apply'],
  reboot: ['reboot', 'return'],
  confirm: [],
  cancel: [],
  rollback: ['prepare', 'apply', 'return'],
};

const GIVEN_UP: Mishap = {
  stage: 'health',
  code: 'agent/given-up',
  message: 'somebody took the host back before it was confirmed',
};

/** What a verb is to the machine; a rollback only while the release is on trial. */
function eventOf(verb: StepVerb, nowMs: number): AgentEvent {
  switch (verb) {
    case 'prepare':
    case 'apply':
    case 'reboot':
      return { kind: 'continued' };
    case 'confirm':
      return { kind: 'healthy' };
    case 'cancel':
      return { kind: 'cancelled' };
    case 'rollback':
      return { kind: 'unhealthy', mishap: GIVEN_UP, nowMs };
  }
}

/**
 * One step that somebody asks for, from where the agent stands. Policies and windows do not hold it up, inhibitors and hooks
 * do. `insists` lets `check` take on a release that failed here. Throws `agent/illegal-verb` in a state in which it makes no
 * sense, and `agent/not-done` with the reason where it was tried in vain; then nothing is lost.
 */
export async function runVerb(
  context: AgentContext,
  verb: Verb,
  { insists = false }: { readonly insists?: boolean } = {},
): Promise<VerbResult> {
  const settled = await settle(context, (active) => ({
    ...byHand(context, active, []),
    // Health is said by this verb, or is not what it is about.
    ...(verb === 'confirm' || verb === 'rollback' ? { checkHealth: async () => null } : {}),
  }));
  requireLegal(verb, settled.state);
  return verb === 'check' ? check(context, settled, insists) : take(context, settled, verb);
}

function requireLegal(verb: Verb, state: AgentState): void {
  const legal = legalVerbs(state);
  if (legal.includes(verb)) return;
  throw new AgentError('agent/illegal-verb', `${verb} makes no sense in state ${state.kind}`, {
    hints: [legal.length === 0 ? 'no verb does now' : `these do: ${legal.join(', ')}`],
  });
}

/** What the agent does by itself, but for the steps: those that are asked for are refused by the host alone, the others are where it ends. */
function byHand(context: AgentContext, active: SealedSlot, asked: readonly UpdateStep[]): Conduct {
  return {
    ...automatic(context, active, null),
    refusal: async (step, waiting) =>
      asked.includes(step) ? refusalByHand(context, step, waiting) : `${step} was not asked for`,
  };
}

/** A poll that takes on what is offered, and goes no further. */
async function check(
  context: AgentContext,
  { state, active }: Settled,
  insists: boolean,
): Promise<VerbResult> {
  const order = await ask(context, { running: active.release, state: checkInState(state) });
  const { decision, reason, eligibleAt } = order;
  const attempt = newAttempt(active, byHand(context, active, []));
  const nowMs = context.now().getTime();
  let after = state;
  let why: string | null = reason;
  if (decision?.decision === 'update') {
    const target = targetOf(state, active.release.version, decision);
    const first = { kind: 'offered', target, nowMs, insists } as const;
    after = await lead(context, state, { first, attempt });
    why = after.kind === 'idle' || after.kind === 'fallen-back' ? 'backoff' : null;
  } else if (isOrdered(state)) {
    after = await lead(context, state, { first: { kind: 'cancelled' }, attempt });
  }
  const at = formatInstant(context.now());
  await context.journal.writeLastPoll({ at, result: after.kind, reason: why });
  return { ...resultOf('check', after, attempt), reason: why, eligibleAt };
}

/** Whether what is under way is there because of an order, which may not stand any more. */
function isOrdered(state: AgentState): boolean {
  return state.kind === 'available' || (state.kind === 'ready' && !isByHand(state.target));
}

async function take(
  context: AgentContext,
  { state, active }: Settled,
  verb: StepVerb,
): Promise<VerbResult> {
  const conduct = byHand(context, active, STEPS_OF[verb]);
  const isBack = verb === 'rollback' && state.kind !== 'confirming';
  const attempt = newAttempt(
    active,
    isBack ? { ...conduct, verify: fromSlot(context.slots, active) } : conduct,
  );
  const first = isBack ? await wayBack(context, active) : eventOf(verb, context.now().getTime());
  const after = await lead(context, state, { first, attempt });
  const isReached = REACHED[verb].includes(after.kind) && attempt.end === 'open';
  const isInVain = isBack ? after.kind === 'fallen-back' : verb === 'reboot' && !attempt.isBooting;
  if (!isReached || isInVain) {
    throw new AgentError('agent/not-done', `${verb}: ${attempt.reason ?? `ended ${after.kind}`}`);
  }
  if (attempt.outcome !== null) await deliver(context, after);
  return resultOf(verb, after, attempt);
}

/** To the release that the inactive slot holds, if it is an older one. */
async function wayBack({ slots, now }: AgentContext, { release }: SealedSlot): Promise<AgentEvent> {
  const { inactive } = await slots.read();
  const from = release.version;
  const to = inactive?.release.version;
  if (to === undefined || compareVersions(to, from) >= 0) {
    const found = to === undefined ? 'nothing that can be activated' : to;
    throw new AgentError(
      'agent/not-done',
      `rollback: the host runs ${from}, and the inactive slot holds ${found}`,
    );
  }
  const order = { id: randomUUID(), rolloutId: null, direction: 'rollback', attempt: 1 } as const;
  return {
    kind: 'offered',
    target: { ...order, from, to },
    nowMs: now().getTime(),
    insists: true,
  };
}

function resultOf(verb: Verb, state: AgentState, { active, bytesFetched }: Attempt): VerbResult {
  const target = state.kind === 'idle' ? null : state.target;
  return {
    ...{ verb, state: state.kind, bytesFetched, reason: null, eligibleAt: null },
    from: active.release.version,
    to: target?.to ?? null,
    direction: target?.direction ?? null,
  };
}
