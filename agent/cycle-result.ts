import type { Attempt } from './attempt.ts';
import { isOnWayBack } from './machine-state.ts';
import type { AgentState, Mishap, Target } from './machine-state.ts';

/** What one poll cycle did. */
export type CycleResult = {
  /**
   * `available` waits to be brought here, `staged` to be activated, `ready` for a boot; `confirming` is on trial; `fallen-back` waits for
   * the boot back; `refused` means that signed files do not allow what the server asked for; after `failed` nothing is lost, and a later
   * cycle tries again.
   */
  readonly result:
    | 'stayed'
    | 'updated'
    | 'rolled-back'
    | 'available'
    | 'staged'
    | 'ready'
    | 'confirming'
    | 'fallen-back'
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

/** What a server said of when to come again. */
export type Pace = Pick<CycleResult, 'nextCheckInSeconds' | 'retryAfterSeconds'>;

/** What became of an attempt; null if it was dropped without a word. */
export function endOf(target: Target, after: AgentState, attempt: Attempt): CycleResult | null {
  const { bytesFetched, retryAfterSeconds, end, outcome } = attempt;
  const ended = {
    ...{ from: attempt.active.release.version, bytesFetched, reason: attempt.reason },
    ...{ ...fateOf(target), eligibleAt: null, nextCheckInSeconds: null, retryAfterSeconds },
  };
  if (outcome !== null) {
    const { mishap } = outcome;
    if (mishap !== null) return { ...ended, result: 'failed', reason: sentenceOf(mishap) };
    const result = target.direction === 'forward' ? 'updated' : 'rolled-back';
    return { ...ended, from: target.from, result, reason: null };
  }
  if (isOnWayBack(after)) return { ...ended, result: 'failed', reason: sentenceOf(after.mishap) };
  if (end !== 'open') return { ...ended, result: end };
  const result = waitingResult(after);
  return result === null ? null : { ...ended, result };
}

export function fateOf({ to, direction }: Target): Pick<CycleResult, 'to' | 'direction'> {
  return { to, direction };
}

function sentenceOf({ code, message }: Mishap): string {
  return `${code}: ${message}`;
}

function waitingResult({
  kind,
}: AgentState): 'available' | 'staged' | 'ready' | 'confirming' | null {
  if (kind === 'available' || kind === 'staged' || kind === 'confirming') return kind;
  return kind === 'ready' || kind === 'rebooting' ? 'ready' : null;
}
