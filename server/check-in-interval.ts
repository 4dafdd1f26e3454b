import type { Decision } from '../core/decide.ts';

export type CheckInPace = {
  /** How soon a host that was let through asks again. */
  readonly minMs: number;
  /** How long a host with nothing ahead of it waits at most when the server is not busy. */
  readonly maxMs: number;
};

/** What the agent accepts. */
const LONGEST_SECONDS = 86_400;
/** Hosts that become eligible in the same instant are spread over this share of the longest interval. */
const SPREAD = 0.1;

/**
 * When the host is to ask again: jittered, so that a fleet that was restarted together drifts apart; soon after it becomes
 * eligible; later under load (a factor of 1 or more). `random` is 0 <= n < 1.
 */
export function nextCheckInSeconds(
  decision: Decision,
  options: CheckInPace & { readonly now: Date; readonly load: number; readonly random: number },
): number {
  const { minMs, maxMs, now, load, random } = options;
  const jittered = (ms: number) => ms * load * (0.75 + 0.25 * random);
  const seconds = (ms: number) => Math.min(LONGEST_SECONDS, Math.max(1, Math.ceil(ms / 1000)));
  if (decision.decision === 'update') return seconds(jittered(minMs));
  const idleMs = jittered(maxMs);
  if (decision.eligibleAt === null) return seconds(idleMs);
  const waitMs = Math.max(0, decision.eligibleAt.getTime() - now.getTime());
  return seconds(Math.min(idleMs, waitMs + random * SPREAD * maxMs * load));
}
