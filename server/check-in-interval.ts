import type { Decision } from '../core/decide.ts';
import { quickHash } from './quick-hash.ts';

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
const RETRY_MIN_SECONDS = 5;
const RETRY_SPREAD_SECONDS = 10;

/** The places have nothing to do with seeds, or the hosts of a wave would come together. */
const PHASE_SEED = 0x9e37_79b9;

/** Between two polls of an idle host lie this many longest intervals, and at least what is left of one. */
const PERIOD = 7 / 8;

/**
 * When the host is to ask again: soon after it becomes eligible; else in its own place of the interval, `phase`, so that
 * hosts that came together do not come together again; later under load (a factor of 1 or more). `random` and `phase` are
 * 0 <= n < 1; the phase is the host's own, for ever.
 */
export function nextCheckInSeconds(
  decision: Decision,
  options: CheckInPace & {
    readonly now: Date;
    readonly load: number;
    readonly random: number;
    readonly phase: number;
  },
): number {
  const { minMs, maxMs, now, load, random, phase } = options;
  const seconds = (ms: number) => Math.min(LONGEST_SECONDS, Math.max(1, Math.ceil(ms / 1000)));
  if (decision.decision === 'update') return seconds(minMs * load * (0.75 + 0.25 * random));
  const longestMs = maxMs * load;
  const { eligibleAt } = decision;
  const waitMs = eligibleAt === null ? Infinity : Math.max(0, Number(eligibleAt) - Number(now));
  return seconds(
    waitMs < longestMs ? waitMs + random * SPREAD * longestMs : untilPhase(now, phase, longestMs),
  );
}

/** A host's place in the interval, from its id: hosts that declare one seed together still have places of their own. */
export function phaseOf(hostId: string): number {
  return (quickHash(hostId, PHASE_SEED) >>> 0) / 2 ** 32;
}

/**
 * Until the host's place comes round: everybody has one within a period, so whenever hosts come, next time they come
 * evenly. A host that is early by a little, as agents jitter, waits for the place after.
 */
function untilPhase(now: Date, phase: number, longestMs: number): number {
  const periodMs = PERIOD * longestMs;
  const aheadMs = (phase * periodMs - (now.getTime() % periodMs) + periodMs) % periodMs;
  return aheadMs < longestMs - periodMs ? aheadMs + periodMs : aheadMs;
}

/** How long a client that met a 503 is to wait: another number each time, longer under load. */
export function retryAfterSeconds({
  load,
  random,
}: {
  readonly load: number;
  readonly random: number;
}) {
  return Math.ceil(load * (RETRY_MIN_SECONDS + random * RETRY_SPREAD_SECONDS));
}
