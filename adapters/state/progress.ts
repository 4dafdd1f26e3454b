import type { Outcome, Progress } from './state.ts';

export type Standing = { readonly progress: Progress; readonly decidedAt: number };

// At one and the same millisecond the worse outcome stands, so that no failure is hidden by a coarse clock.
const WEIGHT: Readonly<Record<Outcome, number>> = { updated: 0, failed: 1, 'rolled-back': 2 };

/**
 * Whether a reported outcome changes where a host stands. Taking the greatest of a total order makes the end the same for
 * every order and every repetition of the reports. An offer, overdue or not, is below every outcome whatever the clocks say: its time
 * is the server's, theirs are the host's.
 */
export function isLater(
  outcome: { readonly progress: Outcome; readonly decidedAt: number },
  before: Standing | null,
): boolean {
  if (before === null || before.progress === 'offered' || before.progress === 'overdue') {
    return true;
  }
  if (outcome.decidedAt !== before.decidedAt) return outcome.decidedAt > before.decidedAt;
  return WEIGHT[outcome.progress] > WEIGHT[before.progress];
}
