import type { Release } from '../core/release.ts';
import { isSameBuild } from '../core/release-terms.ts';
import { explain } from '../core/why.ts';
import type { Why } from '../core/why.ts';
import { fromRepository } from './bring.ts';
import type { AgentContext } from './context.ts';
import { AgentError } from './errors.ts';
import { failureOf, mayTry, sentenceOf } from './failures.ts';
import { visibleRefusal } from './refusals.ts';
import type { UpdateStep } from './refusals.ts';
import { fetchRelease, spaceRefusal } from './install.ts';
import type { AgentState, Target } from './machine-state.ts';
import { ask, checkInState } from './order.ts';
import { readPlan } from './read-plan.ts';
import { refresh } from './refresh.ts';
import { requireActive } from './settle.ts';
import type { SealedSlot, SlotsState } from './slots/slots.ts';
import { targetOf } from './target.ts';
import type { VerifiedRepository } from './tuf/client.ts';

export type AgentWhy = {
  readonly state: AgentState['kind'];
  readonly running: string;
  /** What the server and the signed manifest say together. */
  readonly order: {
    readonly to: string | null;
    readonly reason: string;
    readonly eligibleAt: string | null;
  };
  /** What the signed manifest says by itself, rule by rule. */
  readonly manifest: Why;
  /** What on this host keeps it from the release that it is to go to, null where nothing does; empty if it is to stay. */
  readonly host: Readonly<
    Partial<Record<'backoff' | 'barrier' | 'space' | UpdateStep, string | null>>
  >;
};

/** Asks, and says what is between this host and its next release. Nothing is taken on, and no slot is touched. */
export async function why(context: AgentContext): Promise<AgentWhy> {
  const { journal, slots, now } = context;
  const { state } = await journal.read();
  const found = await slots.read();
  const active = requireActive(found);
  const running = active.release;
  const order = await ask(context, { running, state: checkInState(state) });
  const { decision, reason, eligibleAt } = order;
  const repository = order.repository ?? (await refresh(context));
  const target =
    decision?.decision === 'update' ? targetOf(state, running.version, decision) : null;
  return {
    state: state.kind,
    running: running.version,
    order: { to: target?.to ?? null, reason, eligibleAt },
    manifest: await explainManifest(context, repository, running),
    host:
      target === null
        ? {}
        : {
            backoff: backoffOf(state, target, now()),
            ...(await releaseRefusals(context, { found, active, repository, target })),
            prepare: await visibleRefusal(context, 'prepare', target),
            apply: await visibleRefusal(context, 'apply', target),
            reboot: slots.needsReboot ? await visibleRefusal(context, 'reboot', target) : null,
          },
  };
}

/** What the signed manifest says of this host, rule by rule. */
export async function explainManifest(
  { config, now }: Pick<AgentContext, 'config' | 'now'>,
  repository: VerifiedRepository,
  { version }: Pick<Release, 'version'>,
): Promise<Why> {
  const { rollouts, fleet } = await readPlan(repository);
  return explain({ ...config.host, version }, { rollouts, rules: fleet.rules }, now());
}

function backoffOf(state: AgentState, target: Target, now: Date): string | null {
  const failure = failureOf(state.failures, target.to);
  if (failure === null || mayTry(state, target, now.getTime())) return null;
  return sentenceOf(failure);
}

async function releaseRefusals(
  context: AgentContext,
  {
    found,
    active,
    repository,
    target,
  }: {
    readonly found: SlotsState;
    readonly active: SealedSlot;
    readonly repository: VerifiedRepository;
    readonly target: Target;
  },
) {
  const { slots, config } = context;
  const { release } = await fetchRelease(repository, { ...config.host, version: target.to });
  const isThere = found.inactive !== null && isSameBuild(found.inactive.release, release);
  return {
    barrier: await barrierOf(() => fromRepository(context, active, async () => repository)(target)),
    space: isThere ? null : await spaceRefusal(slots, release),
  };
}

async function barrierOf(verify: () => Promise<unknown>): Promise<string | null> {
  try {
    await verify();
    return null;
  } catch (error) {
    if (error instanceof AgentError && error.code === 'agent/not-permitted') return error.message;
    throw error;
  }
}
