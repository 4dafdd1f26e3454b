import { counted } from './failures.ts';
import type { Effect, Moment, Step } from './machine-events.ts';
import type { AgentState, Mishap, StateOf } from './machine-state.ts';

/** Boots that a host is told to make into a release that it then does not run, or out of one that it runs still. */
export const MOST_REBOOTS = 3;

export function to(state: AgentState, effect: Effect | null = null): Step {
  return { state, effect };
}

/** The host runs the release that it was to boot. */
export function onTrial({ target, failures, reboots }: StateOf<'ready' | 'rebooting'>): Step {
  return to({ kind: 'confirming', target, failures, reboots }, 'check-health');
}

/** The host is to go back to the release before. */
export function givenUp(
  { target, failures }: Pick<StateOf<'confirming'>, 'target' | 'failures'>,
  mishap: Mishap,
  sinceMs: number,
): Step {
  const state = { kind: 'fallen-back', target, failures, mishap, isBack: false, sinceMs } as const;
  const fresh = { reboots: 0, ordered: null, isStuck: false, calledOff: 'no' } as const;
  return to({ ...state, ...fresh, outcome: null }, 'deactivate');
}

/** The host runs the release of before again, and the one that failed is remembered. */
export function back(
  { target, failures }: Pick<StateOf<'fallen-back'>, 'target' | 'failures'>,
  mishap: Mishap,
  moment: Moment,
): Step {
  const state = {
    kind: 'fallen-back',
    target,
    mishap,
    isBack: true,
    sinceMs: moment.nowMs,
  } as const;
  const rest = { reboots: 0, ordered: null, isStuck: false, calledOff: 'no' } as const;
  const outcome = { target, mishap };
  return to(
    { ...state, ...rest, failures: counted(failures, target, mishap, moment), outcome },
    'report',
  );
}

export function bootMishap(code: string, message: string): Mishap {
  return { stage: 'boot', code, message };
}
