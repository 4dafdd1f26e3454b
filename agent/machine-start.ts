import { compareVersions } from '../core/version.ts';
import { counted, failureOf } from './failures.ts';
import type { Facts, Moment, Step } from './machine-events.ts';
import { IDLE, isByHand } from './machine-state.ts';
import type { AgentState, StateOf, Target } from './machine-state.ts';
import { back, bootMishap, givenUp, MOST_REBOOTS, onTrial, to } from './machine-steps.ts';

/** So long a system that took the order to boot may take for it; then it is told once more. */
const BOOT_PATIENCE_MS = 15 * 60_000;

/** A half-written slot proves nothing, a sealed one does, and what the host runs tells how far a boot got. */
export function afterStart(
  state: AgentState,
  { facts, ...moment }: Moment & { readonly facts: Facts },
): Step {
  const { running } = facts;
  switch (state.kind) {
    case 'idle':
      return state.outcome === null ? atRest(state, facts, moment) : to(state, 'report');
    case 'available':
    case 'staged':
      return running === state.target.from && !isByHand(state.target)
        ? to(state)
        : dropped(state, facts, moment);
    case 'ready':
    case 'rebooting':
      return afterBoot(state, facts, moment);
    case 'confirming':
      if (running === state.target.to) return to(state, 'check-health');
      return running === state.target.from
        ? back(
            state,
            bootMishap(
              'agent/fell-back',
              `${running} was booted before ${state.target.to} was confirmed`,
            ),
            moment,
          )
        : dropped(state, facts, moment);
    case 'fallen-back':
      return afterFall(state, facts, moment);
  }
}

/** The host runs something else than the attempt is about. */
function dropped({ failures }: AgentState, facts: Facts, moment: Moment): Step {
  return atRest({ ...IDLE, failures }, facts, moment);
}

/**
 * No attempt is under way that the agent knows of; the slots may tell of one that was begun with other tools, or that a lost
 * journal was about. What is on trial is confirmed or taken back like any other; what is next to boot by an order that
 * nobody remembers is not.
 */
function atRest(state: AgentState, facts: Facts, moment: Moment): Step {
  const { running, other, bootId } = facts;
  const { failures } = state;
  if (facts.isOnTrial) {
    const target = found(other ?? running, running, bootId);
    return to({ kind: 'confirming', target, failures, reboots: 0 }, 'check-health');
  }
  if (facts.isTriedInVain && other !== null) {
    if (failureOf(failures, other) !== null) return to(state);
    const mishap = bootMishap('agent/not-booted', triedInVain(other));
    return to({ ...state, failures: counted(failures, { to: other, attempt: 1 }, mishap, moment) });
  }
  const isNext = other !== running && facts.nextToBoot === other;
  if (facts.isJournalLost && isNext) {
    const target = found(running, other, bootId);
    const ready = { kind: 'ready', target, failures, reboots: 0, bootId } as const;
    return to({ ...ready, calledOff: 'release' }, 'deactivate');
  }
  return to(state);
}

/** An attempt that is known by the slots alone; it has the same id whenever it is found in this boot. */
function found(from: string, version: string, bootId: string): Target {
  const direction = compareVersions(version, from) < 0 ? 'rollback' : 'forward';
  const order = { id: `found-${bootId}`, rolloutId: null, attempt: 1 };
  return { ...order, from, to: version, direction };
}

function afterBoot(state: StateOf<'ready' | 'rebooting'>, facts: Facts, moment: Moment): Step {
  const { target, failures, reboots } = state;
  if (facts.running === target.to) return onTrial(state);
  if (facts.running !== target.from) return dropped(state, facts, moment);
  if (facts.isTriedInVain) {
    return back(state, bootMishap('agent/not-booted', triedInVain(target.to)), moment);
  }
  if (state.kind === 'ready' && state.calledOff === 'release') return to(state, 'deactivate');
  const isSameBoot = facts.bootId === state.bootId;
  const isNext = facts.nextToBoot === target.to;
  if (reboots >= MOST_REBOOTS && !(isSameBoot && isNext)) {
    const message = `the host was told ${reboots} times to boot ${target.to}, and boots ${target.from}`;
    return givenUp(state, bootMishap('agent/not-booted', message), moment.nowMs);
  }
  // Killed between the permission and the flip, or somebody took it back: the question is asked again.
  if (!isNext) return to({ kind: 'staged', target, failures, reboots });
  if (state.kind === 'ready') {
    return state.calledOff === 'boot' && isSameBoot
      ? to(state, 'call-off')
      : waiting(isSameBoot ? state : { ...state, bootId: facts.bootId, calledOff: 'no' });
  }
  if (isSameBoot && moment.nowMs - state.orderedAtMs < BOOT_PATIENCE_MS) return to(state);
  const ready = { kind: 'ready', target, failures, bootId: facts.bootId, calledOff: 'no' } as const;
  // An order that came to no boot is not counted.
  return waiting({ ...ready, reboots: isSameBoot ? Math.max(0, reboots - 1) : reboots });
}

/** The next poll asks whether the boot is still wanted; there is nobody to ask for what somebody on the host wants. */
function waiting(state: StateOf<'ready'>): Step {
  return isByHand(state.target) ? to(state, 'await-reboot') : to(state);
}

function afterFall(state: StateOf<'fallen-back'>, facts: Facts, moment: Moment): Step {
  const { target, mishap, ordered, reboots } = state;
  if (state.outcome !== null) return to(state, 'report');
  if (state.isBack) return atRest(state, facts, moment);
  if (facts.running === target.from) return to(state, 'deactivate');
  if (facts.running !== target.to) return back(state, mishap, moment);
  if (state.calledOff !== 'no') return to(state, 'call-off');
  if (state.isStuck) return to(state);
  if (ordered === null) return to(state, 'deactivate');
  if (ordered.bootId === facts.bootId) {
    return moment.nowMs - ordered.atMs < BOOT_PATIENCE_MS ? to(state) : to(state, 'deactivate');
  }
  return reboots < MOST_REBOOTS
    ? to({ ...state, ordered: null }, 'deactivate')
    : to({ ...state, isStuck: true, outcome: { target, mishap: stuck(state) } }, 'report');
}

function stuck({ target, mishap, reboots }: StateOf<'fallen-back'>) {
  const message = `the host was told ${reboots} times to boot ${target.from}, and boots ${target.to}`;
  return bootMishap('agent/not-back', `${message}; it is to go back because of: ${mishap.message}`);
}

function triedInVain(version: string): string {
  return `the boot loader tried ${version} as often as it may`;
}
