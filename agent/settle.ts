import { newAttempt } from './attempt.ts';
import type { Attempt, Conduct } from './attempt.ts';
import type { AgentContext } from './context.ts';
import { AgentError } from './errors.ts';
import { momentOf } from './failed-step.ts';
import { lead } from './lead.ts';
import type { AgentState } from './machine-state.ts';
import type { Facts } from './machine-events.ts';
import type { SealedSlot, SlotsState } from './slots/slots.ts';

export type Settled = {
  /** Where the agent stood before. */
  readonly left: AgentState;
  /** Where it stands now, and what it learned on the way. */
  readonly state: AgentState;
  readonly attempt: Attempt;
  /** What the host runs now. */
  readonly active: SealedSlot;
};

/** Goes on with what an agent left that ended: from the journal, and from what the slots and the system say. */
export async function settle(
  context: AgentContext,
  conductOf: (active: SealedSlot) => Conduct,
): Promise<Settled> {
  const { slots, journal, onEvent } = context;
  const { state: left, isDamaged, isLost } = await journal.read();
  if (isDamaged) onEvent('journal-damaged', {});
  const found = await slots.read();
  const active = requireActive(found);
  const attempt = newAttempt(active, conductOf(active));
  const facts = { ...(await factsOf(context, found, active)), isJournalLost: isLost };
  const first = { kind: 'started', facts, ...momentOf(context) } as const;
  const state = await lead(context, left, { first, attempt });
  // From now on a journal that is missing was lost.
  if (isLost && state === left) await journal.write(state);
  // Where nothing was done, what runs is what ran.
  const runs = state === left ? active : requireActive(await slots.read());
  return { left, state, attempt, active: runs };
}

/** What the host runs. Throws `agent/slots` on one that never had a release. */
export function requireActive({ active }: SlotsState): SealedSlot {
  if (active !== null) return active;
  throw new AgentError('agent/slots', 'no release is active on this host', {
    hints: ['run `tidegate agent provision` once'],
  });
}

async function factsOf(
  { system }: AgentContext,
  { inactive, nextToBoot, isTriedInVain, isOnTrial }: SlotsState,
  active: SealedSlot,
): Promise<Omit<Facts, 'isJournalLost'>> {
  const running = active.release.version;
  const other = inactive?.release.version ?? null;
  return {
    running,
    other,
    nextToBoot: nextToBoot === 'inactive' && other !== null ? other : running,
    isTriedInVain,
    isOnTrial,
    bootId: await system.bootId(),
  };
}
