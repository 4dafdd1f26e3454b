import type { Counters, Rollout } from './rollout.ts';
import { gateAt, lacksSuccess } from './tide.ts';
import type { Threshold } from './wave.ts';

/** What the outcomes of its hosts make the server do to a rollout. */
export type Judgement =
  /** Too many hosts failed. */
  | { readonly kind: 'halt' }
  /** It was halted, and its policy sends the hosts back. */
  | { readonly kind: 'roll-back'; readonly to: string }
  /** Enough hosts came through: this opening is passed. */
  | { readonly kind: 'pass-gate'; readonly opening: number };

/**
 * What has to be done to a rollout by what was counted, or null. A halt is judged by events since the last one that a
 * person forgave; a gate by all hosts that were let through before it, those that are still silent included.
 */
export function judge(rollout: Rollout, counters: Counters, now: Date): Judgement | null {
  if (rollout.state === 'halted') return wayBackOf(rollout);
  if (rollout.state !== 'running') return null;
  if (mustHalt(rollout, counters)) return { kind: 'halt' };
  const gate = gateAt(rollout, now);
  if (gate === null || gate.success === null || !lacksSuccess(rollout, gate)) return null;
  const { part, whole } = throughOf(counters);
  return reaches(part, whole, gate.success) ? { kind: 'pass-gate', opening: gate.index } : null;
}

/**
 * Who was offered the release before this instant, and has said nothing since, is overdue; null while nobody can be. A rollout
 * that stands still takes no time from anybody: its hosts wait for it. Once it is resumed they have all of theirs again.
 */
export function overdueBefore({ state, policy, history }: Rollout, now: Date): Date | null {
  if (state !== 'running' || policy.outcomeWithinMs === null) return null;
  const before = new Date(now.getTime() - policy.outcomeWithinMs);
  const resumedAt = history.findLast(({ verb }) => verb === 'resume')?.at ?? null;
  return resumedAt !== null && resumedAt >= before ? null : before;
}

function mustHalt(rollout: Rollout, counters: Counters): boolean {
  if (rollout.policy.halt === null) return false;
  const { part, whole } = failuresOf(rollout, counters);
  return reaches(part, whole, rollout.policy.halt);
}

/** The hosts that came through, of all that were offered the release. */
function throughOf({ offered, updated, failed, overdue }: Counters) {
  return { part: updated, whole: offered + updated + failed + overdue };
}

/** The failures among the outcomes that nobody forgave. */
function failuresOf({ forgiven }: Rollout, { successes, failures }: Counters) {
  const part = Math.max(0, failures - forgiven.failures);
  return { part, whole: part + Math.max(0, successes - forgiven.successes) };
}

/** Once: who rolls nothing back after a halt and goes on instead has decided otherwise. */
function wayBackOf({ policy, history }: Rollout): Judgement | null {
  const to = policy.halt?.rollBackTo ?? null;
  return to !== null && history.at(-1)?.verb === 'halt' ? { kind: 'roll-back', to } : null;
}

function reaches(part: number, whole: number, { percentage, minimum }: Threshold): boolean {
  return whole >= minimum && part * 100 >= percentage * whole;
}

/** For the history: what was counted, and what the policy asks for. */
export function reasonOf(rollout: Rollout, judgement: Judgement, counters: Counters): string {
  switch (judgement.kind) {
    case 'halt': {
      const { percentage = 0, minimum = 0 } = rollout.policy.halt ?? {};
      const { part, whole } = failuresOf(rollout, counters);
      return `${part} of ${whole} outcomes are failures: the policy halts at ${percentage} % of at least ${minimum}`;
    }
    case 'roll-back':
      return `halted: the policy sends the hosts back to ${judgement.to}`;
    case 'pass-gate': {
      const { part, whole } = throughOf(counters);
      return `${part} of ${whole} hosts came through`;
    }
  }
}
