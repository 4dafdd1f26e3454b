import { IDLE } from '../../agent/machine-state.ts';
import type { AgentState, Mishap, Target } from '../../agent/machine-state.ts';
import { next } from '../../agent/machine.ts';
import type { AgentEvent, Effect, Facts } from '../../agent/machine-events.ts';

export const target: Target = {
  ...{ id: 'attempt-1', rolloutId: 'rollout-1', direction: 'forward', attempt: 1 },
  ...{ from: '1.0.0', to: '1.1.0' },
};
export const byHand: Target = {
  ...target,
  id: 'attempt-2',
  rolloutId: null,
  direction: 'rollback',
};
export const mishap: Mishap = { stage: 'install', code: 'agent/image', message: 'wrong' };
export const sick: Mishap = { stage: 'health', code: 'agent/unhealthy', message: 'no network' };
export const moment = { nowMs: 0, random: 0 };
export const offered = { kind: 'offered', target, nowMs: 0, insists: false } as const;
export const allowed: AgentEvent = { kind: 'allowed', bootId: 'boot-1' };
export const stillAllowed: AgentEvent = { kind: 'still-allowed', nowMs: 0 };
export const unwell: AgentEvent = { kind: 'unhealthy', mishap: sick, nowMs: 0 };
export const returnIn = (bootId: string, nowMs = 0): AgentEvent => ({
  ...{ kind: 'return-permitted', bootId, nowMs },
});
export const needsReboot = true;

export function factsOf(change: Partial<Facts> = {}): Facts {
  return {
    ...{ running: '1.0.0', other: '1.1.0', nextToBoot: '1.0.0', bootId: 'boot-1' },
    ...{ isTriedInVain: false, isOnTrial: false, isJournalLost: false },
    ...change,
  };
}

export const started = (change: Partial<Facts> = {}): AgentEvent => ({
  ...{ kind: 'started', facts: factsOf(change) },
  ...moment,
});

/** The states after each event in turn, and the effect of the last one. */
export function follow(...events: readonly AgentEvent[]) {
  let state: AgentState = IDLE;
  let effect: Effect | null = null;
  const kinds: string[] = [];
  for (const event of events) {
    ({ state, effect } = next(state, event));
    kinds.push(state.kind);
  }
  return { state, effect, kinds };
}

export const STAGED = [offered, { kind: 'prepare-permitted' }, { kind: 'sealed' }] as const;
export const VERIFIED = [...STAGED, { kind: 'apply-permitted' }, { kind: 'verified' }] as const;
export const READY = [...VERIFIED, allowed, { kind: 'activated', needsReboot }] as const;
export const REBOOTING = [...READY, { kind: 'reboot-permitted' }, stillAllowed] as const;
export const BOOTED = started({ running: '1.1.0', nextToBoot: '1.1.0', bootId: 'boot-2' });
