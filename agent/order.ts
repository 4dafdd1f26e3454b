import type { CheckIn, CheckInAnswer } from '../core/check-in.ts';
import type { Decision } from '../core/decide.ts';
import { formatInstant } from '../core/instant.ts';
import type { Release } from '../core/release.ts';
import { checkIn } from './check-in.ts';
import type { AgentContext } from './context.ts';
import { AgentError, retryAfterOf } from './errors.ts';
import type { AgentState } from './machine-state.ts';
import { decisionFor } from './permission.ts';
import type { Hint } from './permission.ts';
import { readPlan } from './read-plan.ts';
import { refresh } from './refresh.ts';
import type { VerifiedRepository } from './tuf/client.ts';

export type Question = {
  readonly running: Release;
  readonly state: CheckIn['state'];
  /** Releases that the host would not take now whatever the answer. */
  readonly failed?: CheckIn['failed'];
};

/** As the server knows states: a host that was told to boot is ready for it. */
export function checkInState({ kind }: AgentState): CheckIn['state'] {
  return kind === 'rebooting' ? 'ready' : kind;
}

/** What a host is to do now, by the server and by what is signed. */
export type Order = {
  readonly decision: Decision | null;
  /** What the server wanted and the signed manifest does not allow; null if nothing. */
  readonly refused: Hint | null;
  readonly eligibleAt: string | null;
  readonly reason: string;
  readonly nextCheckInSeconds: number | null;
  /** What a server asked for that took no check-in; null if it did not. */
  readonly retryAfterSeconds: number | null;
  /** Null when nothing needed to be looked up. */
  readonly repository: VerifiedRepository | null;
};

/** Asks the server, if there is one, and then the signed manifest; only what both want is an order. */
export async function ask(context: AgentContext, question: Question): Promise<Order> {
  const { config, onEvent } = context;
  const host = { ...config.host, version: question.running.version };
  let answer: CheckInAnswer | null = null;
  let retryAfterSeconds: number | null = null;
  if (config.server !== null) {
    try {
      answer = await askServer(context, question);
    } catch (error) {
      const isAway = error instanceof AgentError && error.code === 'agent/unreachable';
      if (!isAway || config.server.fallback === 'stay') throw error;
      onEvent('server-away', { reason: error.message });
      retryAfterSeconds = retryAfterOf(error);
    }
  }
  const nextCheckInSeconds = answer?.nextCheckInSeconds ?? null;
  if (answer?.decision === 'stay') {
    const { reason, eligibleAt = null } = answer;
    return {
      ...{ decision: null, refused: null, repository: null },
      ...{ reason, eligibleAt, nextCheckInSeconds, retryAfterSeconds },
    };
  }
  const repository = await refresh(context);
  const plan = await readPlan(repository);
  const hint: Hint | null =
    answer === null
      ? null
      : {
          rolloutId: answer.rolloutId,
          version: answer.release.version,
          direction: answer.direction,
        };
  const decision = decisionFor(host, plan, { hint, now: context.now() });
  const isAsHinted =
    hint === null ||
    (decision?.decision === 'update' &&
      decision.release.version === hint.version &&
      decision.direction === hint.direction);
  return {
    decision: isAsHinted ? decision : null,
    refused: isAsHinted ? null : hint,
    reason: isAsHinted ? reasonOf(decision) : `the signed manifest says: ${reasonOf(decision)}`,
    eligibleAt:
      decision?.decision === 'stay' && decision.eligibleAt !== null
        ? formatInstant(decision.eligibleAt)
        : null,
    nextCheckInSeconds,
    retryAfterSeconds,
    repository,
  };
}

function reasonOf(decision: Decision | null): string {
  if (decision === null) return 'nothing for this host in that rollout';
  if (decision.decision === 'stay') return decision.reason;
  return `${decision.direction} to ${decision.release.version}`;
}

/** One check-in; the reports that it brings are forgotten once they are acknowledged. */
export async function askServer(
  { config, reports, now, signal, network, onEvent }: AgentContext,
  { running, state, failed }: Question,
): Promise<CheckInAnswer> {
  const { id, variant, arch, seed, group, labels } = config.host;
  if (await reports.isDamaged()) onEvent('reports-damaged', {});
  const pending = await reports.pending();
  const request: CheckIn = {
    host: {
      ...{ id, variant, arch, seed, labels },
      version: running.version,
      ...(group === null ? {} : { group }),
    },
    state,
    ...(pending.length === 0 ? {} : { reports: [...pending] }),
    ...(failed === undefined ? {} : { failed }),
  };
  const answer = await checkIn(config.server?.url ?? '', request, { now, signal, network });
  await reports.acknowledge(pending);
  return answer;
}
