import { counted, mayTry } from './failures.ts';
import type { AgentEvent, Facts, Moment, Step, Effect } from './machine-events.ts';
import { IDLE, isByHand } from './machine-state.ts';
import type { AgentState, Failure, Mishap, Target } from './machine-state.ts';

/** Times that a host is told to boot a release that it then does not run, or to leave one that it runs still. */
const MOST_REBOOTS = 3;

type State<K extends AgentState['kind']> = Extract<AgentState, { readonly kind: K }>;

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
      return state.kind === 'staged'
        ? to({ ...state, kind: 'ready', bootId: event.bootId }, 'activate')
        : to(state);
    case 'activated':
      if (state.kind !== 'ready') return to(state);
      return event.needsReboot ? to(state, 'await-reboot') : onTrial(state);
    case 'reboot-permitted':
      return state.kind === 'ready'
        ? to({ ...state, kind: 'rebooting', reboots: state.reboots + 1 }, 'reboot')
        : to(state);
    case 'reboot-refused':
      return state.kind === 'rebooting'
        ? to({ ...state, kind: 'ready', reboots: Math.max(0, state.reboots - 1) })
        : to(state);
    case 'healthy':
      return state.kind === 'confirming' ? to(state, 'mark-good') : to(state);
    case 'unhealthy':
      return state.kind === 'confirming' ? givenUp(state, event.mishap) : to(state);
    case 'marked-good':
      return state.kind === 'confirming' ? confirmed(state) : to(state);
    case 'deactivated':
      return afterDeactivation(state, event);
    case 'cancelled':
      return afterCancel(state);
    case 'failed':
      return isBeforeBoot(state) ? failed(state, event) : to(state);
    case 'reported':
      return 'outcome' in state ? to({ ...state, outcome: null }) : to(state);
  }
}

function to(state: AgentState, effect: Effect | null = null): Step {
  return { state, effect };
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

function isBeforeBoot(state: AgentState): state is State<'available' | 'staged' | 'ready'> {
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
  return to({ kind: 'available', target, failure: state.failure, reboots: 0 }, 'await-prepare');
}

function continued(state: AgentState): Step {
  switch (state.kind) {
    case 'available':
      return to(state, 'await-prepare');
    case 'staged':
      return to(state, 'await-apply');
    case 'ready':
      return to(state, 'await-reboot');
    case 'rebooting':
      return to({ ...state, kind: 'ready' }, 'await-reboot');
    case 'idle':
    case 'confirming':
    case 'fallen-back':
      return to(state);
  }
}

function onTrial({ target, failure, reboots }: State<'ready' | 'rebooting'>): Step {
  return to({ kind: 'confirming', target, failure, reboots }, 'check-health');
}

function confirmed({ target }: State<'confirming'>): Step {
  const failure = isByHand(target) ? leftByHand(target) : null;
  return to({ kind: 'idle', failure, outcome: { target, mishap: null } }, 'report');
}

/** Whoever takes a host back by hand does not want the next poll to undo it. */
function leftByHand({ from, to: version }: Target): Failure {
  const message = `somebody took the host back to ${version}`;
  const mishap = { stage: 'health', code: 'agent/left-by-hand', message } as const;
  return { ...mishap, to: from, attempt: Number.MAX_SAFE_INTEGER, count: 1, retryAtMs: null };
}

function givenUp({ target, failure }: State<'confirming'>, mishap: Mishap): Step {
  const state = { kind: 'fallen-back', target, failure, mishap, isBack: false } as const;
  return to({ ...state, reboots: 0, outcome: null }, 'deactivate');
}

function failed(
  { target, failure }: State<'available' | 'staged' | 'ready'>,
  { mishap, ...moment }: Moment & { readonly mishap: Mishap },
): Step {
  const state = { kind: 'idle', failure: counted(failure, target, mishap, moment) } as const;
  return to({ ...state, outcome: { target, mishap } }, 'report');
}

/** The host runs the release of before again, and the one that failed is remembered. */
function back(
  { target, failure }: Pick<State<'fallen-back'>, 'target' | 'failure'>,
  mishap: Mishap,
  moment: Moment,
): Step {
  const state = { kind: 'fallen-back', target, mishap, isBack: true, reboots: 0 } as const;
  const outcome = { target, mishap };
  return to({ ...state, failure: counted(failure, target, mishap, moment), outcome }, 'report');
}

/** A half-written slot proves nothing, a sealed one does, and what the host runs tells how far a boot got. */
function afterStart(
  state: AgentState,
  { facts, ...moment }: Moment & { readonly facts: Facts },
): Step {
  const { running } = facts;
  switch (state.kind) {
    case 'idle':
      return state.outcome === null ? to(state) : to(state, 'report');
    case 'available':
    case 'staged':
      return running === state.target.from && !isByHand(state.target)
        ? to(state)
        : to({ ...IDLE, failure: state.failure });
    case 'ready':
    case 'rebooting':
      return afterBoot(state, facts, moment);
    case 'confirming':
      if (running === state.target.to) return to(state, 'check-health');
      return running === state.target.from
        ? back(
            state,
            mishapOf(
              'agent/fell-back',
              `${running} was booted before ${state.target.to} was confirmed`,
            ),
            moment,
          )
        : to({ ...IDLE, failure: state.failure });
    case 'fallen-back':
      return afterFall(state, facts, moment);
  }
}

function afterBoot(state: State<'ready' | 'rebooting'>, facts: Facts, moment: Moment): Step {
  const { target, failure, reboots } = state;
  if (facts.running === target.to) return onTrial(state);
  if (facts.running !== target.from) return to({ ...IDLE, failure });
  if (facts.isTriedInVain) {
    const message = `the boot loader tried ${target.to} as often as it may`;
    return back(state, mishapOf('agent/not-booted', message), moment);
  }
  if (facts.bootId === state.bootId && facts.nextToBoot === target.to) {
    return state.kind === 'ready' ? to(state, 'await-reboot') : to(state);
  }
  if (reboots >= MOST_REBOOTS) {
    const message = `the host was told ${reboots} times to boot ${target.to}, and boots ${target.from}`;
    const mishap = mishapOf('agent/not-booted', message);
    return givenUp({ kind: 'confirming', target, failure, reboots }, mishap);
  }
  // Killed between the permission and the flip, or somebody took it back: the question is asked again.
  return facts.nextToBoot === target.to
    ? to({ ...state, kind: 'ready', bootId: facts.bootId }, 'await-reboot')
    : to({ kind: 'staged', target, failure, reboots });
}

function afterFall(state: State<'fallen-back'>, { running }: Facts, moment: Moment): Step {
  const { target, mishap } = state;
  if (state.isBack) return state.outcome === null ? to(state) : to(state, 'report');
  if (running === target.to || running === target.from) return to(state, 'deactivate');
  return back(state, mishap, moment);
}

function afterDeactivation(
  state: AgentState,
  { needsReboot, ...moment }: Moment & { readonly needsReboot: boolean },
): Step {
  if (state.kind === 'ready') {
    const { target, failure, reboots } = state;
    return to({ kind: 'staged', target, failure, reboots });
  }
  if (state.kind !== 'fallen-back' || state.isBack) return to(state);
  if (!needsReboot) return back(state, state.mishap, moment);
  return state.reboots < MOST_REBOOTS
    ? to({ ...state, reboots: state.reboots + 1 }, 'reboot')
    : to(state);
}

/** What was written stays in the slot, sealed: the same release is there at once when it is wanted again. */
function afterCancel(state: AgentState): Step {
  if (state.kind === 'available' || state.kind === 'staged') {
    return to({ ...IDLE, failure: state.failure });
  }
  return state.kind === 'ready' ? to(state, 'deactivate') : to(state);
}

function mishapOf(code: string, message: string): Mishap {
  return { stage: 'boot', code, message };
}
