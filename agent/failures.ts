import { formatInstant } from '../core/instant.ts';
import { LONGEST_RETRY_SECONDS } from '../core/check-in.ts';
import type { CheckIn } from '../core/check-in.ts';
import type { AgentState, Failure, Mishap, Target } from './machine-state.ts';

const FIRST_RETRY_MS = 10_000;
const LONGEST_RETRY_MS = LONGEST_RETRY_SECONDS * 1000;
/** After so many failures of one release in a row only something new lets the host try it again. */
const MOST_FAILURES = 12;

/** False while a release that failed here must wait; another release, or a later attempt of its rollout, need not. */
export function mayTry(
  { failure }: Pick<AgentState, 'failure'>,
  { to, attempt }: Pick<Target, 'to' | 'attempt'>,
  nowMs: number,
): boolean {
  if (failure === null || failure.to !== to || attempt > failure.attempt) return true;
  return failure.retryAtMs !== null && nowMs >= failure.retryAtMs;
}

/** What a check-in says of a release that is not tried now, so that nobody waits for this host; undefined if there is none. */
export function givenUp({ kind, failure }: AgentState, nowMs: number): CheckIn['failed'] {
  if (failure === null || (kind !== 'idle' && kind !== 'fallen-back')) return undefined;
  const { to: version, attempt, retryAtMs } = failure;
  if (retryAtMs === null) return { version, attempt };
  const retryAfterSeconds = Math.min(LONGEST_RETRY_SECONDS, Math.ceil((retryAtMs - nowMs) / 1000));
  return retryAfterSeconds > 0 ? { version, attempt, retryAfterSeconds } : undefined;
}

/** For people. */
export function sentenceOf({ to, stage, count, message, retryAtMs }: Failure): string {
  const again =
    retryAtMs === null
      ? 'not tried again until something changes'
      : `tried again from ${formatInstant(new Date(retryAtMs))} on`;
  return `${to} failed in ${stage}, ${count} in a row, ${again}: ${message}`;
}

/**
 * The failure with one more. What failed on its way to the disk is tried again, later each time, by up to half of that
 * earlier so that hosts that failed together do not come back together; what the host could not boot, or was not well with,
 * would fail again.
 */
export function counted(
  before: Failure | null,
  { to, attempt }: Pick<Target, 'to' | 'attempt'>,
  mishap: Mishap,
  { nowMs, random }: { readonly nowMs: number; readonly random: number },
): Failure {
  const isSame = before?.to === to && before.attempt === attempt;
  const count = isSame ? before.count + 1 : 1;
  const isFinal = mishap.stage === 'boot' || mishap.stage === 'health' || count >= MOST_FAILURES;
  const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (count - 1));
  const retryAtMs = isFinal ? null : nowMs + Math.round(waitMs * (1 - random / 2));
  return { ...mishap, to, attempt, count, retryAtMs };
}
