import { counted, mayTry, remembered, without } from './failures.ts';
import type { AgentEvent, Moment, Step } from './machine-events.ts';
import { afterStart } from './machine-start.ts';
import { IDLE, isByHand, isOnWayBack } from './machine-state.ts';
import type { AgentState, Failure, Mishap, StateOf, Target } from './machine-state.ts';
import { back, givenUp, onTrial, to } from './machine-steps.ts';

/**
 * The state after an event, and what is to be done then. An event that makes no sense in a state changes nothing. The state
 * is made durable before its effects are begun, so that the journal is always one step ahead.
 */
export function next(state: AgentState, event: AgentEvent): Step {
  switch (event.kind) {
    case 'started':
      return afterStart(state, event);
    case 'offered':
      return isOpen(state) && (event.insists || mayGoOn(state, event.target, event.nowMs))
        ? taken(state, event.target)
        : to(state);
    case 'continued':
      return continued(state);
    case 'prepare-permitted':
      return state.kind === 'available' ? to(state, 'fill') : to(state);
    case 'sealed':
      return state.kind === 'available'
        ? to({ ...state, kind: 'staged' }, 'await-apply')
        : to(state);
    case 'apply-permitted':
      return state.kind === 'staged' ? to(state, 'verify') : to(state);
    case 'verified':
      return state.kind === 'staged' ? to(state, 'ask') : to(state);
    case 'allowed':
      return allowed(state, event.bootId);
    case 'activated':
      if (state.kind !== 'ready') return to(state);
      return event.needsReboot ? to(state, 'await-reboot') : onTrial(state);
    case 'reboot-permitted':
      return isReady(state) ? to(state, 'ask-again') : to(state);
    case 'still-allowed':
      return isReady(state) ? ordered(state, event.nowMs) : to(state);
    case 'return-permitted':
      return isOnWayBack(state) ? orderedBack(state, event) : to(state);
    case 'reboot-put-off':
      return putOff(state);
    case 'healthy':
      return state.kind === 'confirming' ? to(state, 'mark-good') : to(state);
    case 'unhealthy':
      return state.kind === 'confirming' ? afterSickness(state, event) : to(state);
    case 'marked-good':
      return state.kind === 'confirming' ? confirmed(state) : to(state);
    case 'deactivated':
      return afterDeactivation(state, event);
    case 'cancelled':
      return afterCancel(state);
    case 'called-off':
      return afterCallOff(state);
    case 'failed':
      return isBeforeBoot(state) ? failed(state, event) : to(state);
    case 'refused':
      return isBeforeBoot(state) ? refused(state, event) : to(state);
    case 'reported':
      return 'outcome' in state ? to({ ...state, outcome: null }) : to(state);
  }
}

/** A release can be taken on: nothing is under way that cannot be dropped. */
function isOpen(state: AgentState): boolean {
  return (
    state.kind === 'idle' ||
    state.kind === 'available' ||
    state.kind === 'staged' ||
    (state.kind === 'fallen-back' && state.isBack)
  );
}

/** The host may be booted: nobody called that off. */
function isReady(state: AgentState): state is StateOf<'ready'> {
  return state.kind === 'ready' && state.calledOff === 'no';
}

function isBeforeBoot(state: AgentState): state is StateOf<'available' | 'staged' | 'ready'> {
  return state.kind === 'available' || state.kind === 'staged' || state.kind === 'ready';
}

/** Whether an order is followed that nobody insists on: it is under way, or what it leads to did not just fail here. */
export function mayGoOn(state: AgentState, target: Target, nowMs: number): boolean {
  return isUnderWay(state, target) || mayTry(state, target, nowMs);
}

function isUnderWay(state: AgentState, { id }: Target): boolean {
  return isBeforeBoot(state) && state.target.id === id;
}

/** An attempt that is taken on again goes on where it was. */
function taken(state: AgentState, target: Target): Step {
  if (isUnderWay(state, target)) return continued(state);
  const { failures } = state;
  return to({ kind: 'available', target, failures, reboots: 0 }, 'await-prepare');
}

function continued(state: AgentState): Step {
  switch (state.kind) {
    case 'available':
      return to(state, 'await-prepare');
    case 'staged':
      return to(state, 'await-apply');
    case 'ready':
      return isReady(state) ? to(state, 'ask') : to(state);
    case 'rebooting':
      // The order of before came to nothing, or whoever goes on would not be here.
      return to(readyAgain(state), 'ask');
    case 'fallen-back':
      return state.isBack ? to(state) : to(state, 'deactivate');
    case 'idle':
    case 'confirming':
      return to(state);
  }
}

function allowed(state: AgentState, bootId: string): Step {
  if (state.kind === 'staged')
    return to({ ...state, kind: 'ready', bootId, calledOff: 'no' }, 'activate');
  return isReady(state) ? to(state, 'await-reboot') : to(state);
}

function ordered(
  { target, failures, reboots, bootId }: StateOf<'ready'>,
  orderedAtMs: number,
): Step {
  const rebooting = { kind: 'rebooting', target, failures, bootId, orderedAtMs } as const;
  return to({ ...rebooting, reboots: reboots + 1 }, 'reboot');
}

/** However often it is ordered in one boot of the system, it is one boot that is asked for. */
function orderedBack(
  state: StateOf<'fallen-back'>,
  { bootId, nowMs: atMs }: { readonly bootId: string; readonly nowMs: number },
): Step {
  const reboots = state.ordered?.bootId === bootId ? state.reboots : state.reboots + 1;
  return to({ ...state, reboots, ordered: { bootId, atMs } }, 'reboot');
}

/** A boot that nobody makes is no failure of the release. */
function putOff(state: AgentState): Step {
  if (isReady(state)) return to({ ...state, calledOff: 'boot' }, 'call-off');
  if (state.kind === 'rebooting') {
    return to({ ...readyAgain(state), calledOff: 'boot' }, 'call-off');
  }
  if (!isOnWayBack(state)) return to(state);
  const reboots = Math.max(0, state.reboots - 1);
  return to({ ...state, reboots, ordered: null, calledOff: 'boot' }, 'call-off');
}

function readyAgain({ target, failures, bootId, reboots }: StateOf<'rebooting'>): StateOf<'ready'> {
  const ready = { kind: 'ready', target, failures, bootId, calledOff: 'no' } as const;
  return { ...ready, reboots: Math.max(0, reboots - 1) };
}

function afterSickness(
  state: StateOf<'confirming'>,
  { mishap, nowMs }: { readonly mishap: Mishap; readonly nowMs: number },
): Step {
  // What there is no way back from stays on trial: it may get well, or a person may help.
  return state.target.from === state.target.to ? to(state) : givenUp(state, mishap, nowMs);
}

/** On a newer release what failed before may come through; whoever goes back and forth meets it again. */
function confirmed({ target, failures }: StateOf<'confirming'>): Step {
  if (target.from === target.to) return to({ ...IDLE, failures });
  const kept = target.direction === 'forward' ? [] : without(failures, target.to);
  const isLeft = target.direction === 'rollback' && isByHand(target);
  return to(
    {
      kind: 'idle',
      failures: isLeft ? remembered(kept, leftByHand(target)) : kept,
      outcome: { target, mishap: null },
    },
    'report',
  );
}

/** Whoever takes a host back by hand does not want the next poll to undo it. */
function leftByHand({ from, to: version }: Target): Failure {
  const message = `somebody took the host back to ${version}`;
  const mishap = { stage: 'health', code: 'agent/left-by-hand', message } as const;
  return { ...mishap, to: from, attempt: Number.MAX_SAFE_INTEGER, count: 1, retryAtMs: null };
}

type Failed = Moment & { readonly mishap: Mishap };

function failed(
  { target, failures }: StateOf<'available' | 'staged' | 'ready'>,
  { mishap, ...moment }: Failed,
): Step {
  const idle = { kind: 'idle', failures: counted(failures, target, mishap, moment) } as const;
  return to({ ...idle, outcome: { target, mishap } }, 'report');
}

/** No failure that a server should count, but one that is not tried again at once. */
function refused(
  { target, failures }: StateOf<'available' | 'staged' | 'ready'>,
  { mishap, ...moment }: Failed,
): Step {
  return to({ ...IDLE, failures: counted(failures, target, mishap, moment) });
}

function afterDeactivation(
  state: AgentState,
  { needsReboot, ...moment }: Moment & { readonly needsReboot: boolean },
): Step {
  if (state.kind === 'ready' && state.calledOff === 'release') return to(state, 'call-off');
  if (!isOnWayBack(state)) return to(state);
  if (!needsReboot) return back(state, state.mishap, moment);
  return to(state, 'await-return');
}

/**
 * What was written stays in the slot, sealed: the same release is there at once when it is wanted again. What is next to boot
 * is first taken back; until that is done, and whoever prepared the boot has heard of it, the cancel is not forgotten.
 */
function afterCancel(state: AgentState): Step {
  switch (state.kind) {
    case 'available':
    case 'staged':
      return to({ ...IDLE, failures: state.failures });
    case 'ready':
      return to({ ...state, calledOff: 'release' }, 'deactivate');
    case 'rebooting':
      return to({ ...readyAgain(state), calledOff: 'release' }, 'deactivate');
    case 'idle':
    case 'confirming':
    case 'fallen-back':
      return to(state);
  }
}

function afterCallOff(state: AgentState): Step {
  if (state.kind === 'fallen-back') return to({ ...state, calledOff: 'no' });
  if (state.kind !== 'ready' || state.calledOff === 'no') return to(state);
  if (state.calledOff === 'boot') return to({ ...state, calledOff: 'no' });
  const { target, failures, reboots } = state;
  return isByHand(target)
    ? to({ ...IDLE, failures })
    : to({ kind: 'staged', target, failures, reboots });
}
