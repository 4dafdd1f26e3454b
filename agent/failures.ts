import { formatInstant } from '../core/instant.ts';
import { LONGEST_RETRY_SECONDS } from '../core/check-in.ts';
import type { CheckIn } from '../core/check-in.ts';
import type { Moment } from './machine-events.ts';
import type { AgentState, Failure, Mishap, Target } from './machine-state.ts';

const FIRST_RETRY_MS = 10_000;
const LONGEST_RETRY_MS = LONGEST_RETRY_SECONDS * 1000;
/** After so many failures of one release in a row only something new lets the host try it again. */
const MOST_FAILURES = 12;
/** So many releases are remembered: more than any fleet has under way at a time. */
const MOST_REMEMBERED = 32;

type Failures = AgentState['failures'];

/** False while a release that failed here must wait; another release, or a later attempt of its rollout, need not. */
export function mayTry(
  { failures }: Pick<AgentState, 'failures'>,
  { to, attempt }: Pick<Target, 'to' | 'attempt'>,
  nowMs: number,
): boolean {
  const failure = failureOf(failures, to);
  if (failure === null || attempt > failure.attempt) return true;
  return failure.retryAtMs !== null && nowMs >= failure.retryAtMs;
}

/** What is remembered of a release; null for nothing. */
export function failureOf(failures: Failures, version: string): Failure | null {
  return failures.find(({ to }) => to === version) ?? null;
}

/** What a check-in says of releases that are not tried now, so that nobody waits for this host; undefined if there are none. */
export function notTriedNow({ kind, failures }: AgentState, nowMs: number): CheckIn['failed'] {
  if (kind !== 'idle' && kind !== 'fallen-back') return undefined;
  const waiting = failures.flatMap(({ to: version, attempt, retryAtMs }) => {
    if (retryAtMs === null) return [{ version, attempt }];
    const seconds = Math.min(LONGEST_RETRY_SECONDS, Math.ceil((retryAtMs - nowMs) / 1000));
    return seconds > 0 ? [{ version, attempt, retryAfterSeconds: seconds }] : [];
  });
  return waiting.length === 0 ? undefined : waiting;
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
 * The failures with one more. What failed on its way to the disk is tried again, later each time, by up to half of that
 * earlier so that hosts that failed together do not come back together; what the host could not boot, or was not well with,
 * would fail again. What signed documents do not permit is no fault of the release, and an amendment tells nobody that it
 * was made: that is asked for again for ever, at last once a day.
 */
export function counted(
  failures: Failures,
  { to, attempt }: Pick<Target, 'to' | 'attempt'>,
  mishap: Mishap,
  { nowMs, random }: Moment,
): Failures {
  const before = failureOf(failures, to);
  const count = before?.attempt === attempt ? before.count + 1 : 1;
  const isHopeless = count >= MOST_FAILURES && mishap.code !== 'agent/not-permitted';
  const isFinal = mishap.stage === 'boot' || mishap.stage === 'health' || isHopeless;
  const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (count - 1));
  const retryAtMs = isFinal ? null : nowMs + Math.round(waitMs * (1 - random / 2));
  return remembered(failures, { ...mishap, to, attempt, count, retryAtMs });
}

/** Of one release the latest failure is remembered, and of too many releases the latest ones. */
export function remembered(failures: Failures, failure: Failure): Failures {
  return [...without(failures, failure.to), failure].slice(-MOST_REMEMBERED);
}

/** The failures of all other releases. */
export function without(failures: Failures, version: string): Failures {
  return failures.filter(({ to }) => to !== version);
}
