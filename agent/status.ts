import type { AgentContext } from './context.ts';
import { AgentError } from './errors.ts';
import { waitsFor } from './refusals.ts';
import { legalVerbs } from './legal-verbs.ts';
import type { Slots } from './slots/slots.ts';

export type AgentStatus = Awaited<ReturnType<typeof statusOf>>;

/** Where the agent stands and what it waits for. Reads only; the agent may be at work meanwhile. */
export async function statusOf({ config, slots, journal, reports, now }: AgentContext) {
  const { state, isDamaged } = await journal.read();
  const { active, inactive, slotsError } = await readSlots(slots);
  const pending = await reports.pending();
  const lastPoll = await journal.readLastPoll();
  const { id, variant, arch, seed } = config.host;
  return {
    host: { id, variant, arch, seed },
    state: state.kind,
    target: state.kind === 'idle' ? null : state.target,
    failures: state.failures,
    isJournalDamaged: isDamaged,
    active: active?.release.version ?? null,
    inactive: inactive?.release.version ?? null,
    slotsError,
    lastPoll,
    reason: (await waitsFor({ config, now }, state)) ?? lastPoll?.reason ?? null,
    legalVerbs: legalVerbs(state),
    pendingReports: pending.length,
  };
}

/** A damaged slot is what a person wants to see here, not what keeps the rest from being seen. */
async function readSlots(slots: Slots) {
  try {
    return { ...(await slots.read()), slotsError: null };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { active: null, inactive: null, slotsError: error.message };
  }
}
