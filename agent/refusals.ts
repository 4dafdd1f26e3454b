import { windowsAt } from '../core/fleet/calendar.ts';
import { formatInstant } from '../core/instant.ts';
import type { AgentContext } from './context.ts';
import { runHook } from './hooks.ts';
import { inhibitorsOf } from './inhibitors.ts';
import type { AgentState, Target } from './machine-state.ts';
import type { Effect } from './machine-events.ts';

/** The steps of an attempt that the host has a say in. */
export type UpdateStep = 'prepare' | 'apply' | 'reboot';

/** The step that the machine waits for. */
export const STEP_AWAITED = {
  'await-prepare': 'prepare',
  'await-apply': 'apply',
  'await-reboot': 'reboot',
} as const satisfies Partial<Record<Effect, UpdateStep>>;

const STEP_AFTER: Readonly<Record<AgentState['kind'], UpdateStep | null>> = {
  ...{ idle: null, available: 'prepare', staged: 'apply', ready: 'reboot' },
  ...{ rebooting: null, confirming: null, 'fallen-back': null },
};

const ORDER: readonly UpdateStep[] = ['prepare', 'apply', 'reboot'];

type Host = Pick<AgentContext, 'config' | 'now' | 'signal' | 'onEvent'>;

/**
 * Why the host does not let an attempt go on by itself now, in words that begin with `policy`, `window`, `inhibitor` or `hook`;
 * null if it does. What precedes the step has then been done.
 */
export async function refusalOf(
  host: Host,
  step: UpdateStep,
  target: Target,
): Promise<string | null> {
  return (
    policyRefusal(host.config, step) ??
    windowRefusal(host, step, target) ??
    (await refusalByHand(host, step, target))
  );
}

/** The same where a person asks for the step: policies and windows are for the agent alone. */
export async function refusalByHand(
  host: Host,
  step: UpdateStep,
  target: Target,
): Promise<string | null> {
  return (await inhibitorRefusal(host, step)) ?? (await hookRefusal(host, step, target));
}

/** Why the agent waits for a person; null if it goes on by itself. */
function policyRefusal({ update, reboot }: Host['config'], step: UpdateStep): string | null {
  if (step === 'reboot') {
    return reboot.policy === 'automatic'
      ? null
      : 'policy: it takes a boot, which is left to others';
  }
  const { automatic } = update;
  const isAutomatic = automatic !== 'check' && ORDER.indexOf(step) <= ORDER.indexOf(automatic);
  return isAutomatic ? null : `policy: the agent does not ${step} by itself`;
}

/** A download disturbs nobody; a way back is in a hurry. */
function windowRefusal(
  { config, now }: Pick<Host, 'config' | 'now'>,
  step: UpdateStep,
  { direction }: Pick<Target, 'direction'>,
): string | null {
  const { windows, rollback } = config.update;
  if (step === 'prepare' || (direction === 'rollback' && rollback === 'at-once')) return null;
  const { isOpen, until } = windowsAt(windows, now());
  if (isOpen) return null;
  return `window: none is open${until === null ? '' : ` before ${formatInstant(until)}`}`;
}

/** The first inhibitor that holds the step back. */
async function inhibitorRefusal(
  { config, now }: Pick<Host, 'config' | 'now'>,
  step: UpdateStep,
): Promise<string | null> {
  const inhibitors = await inhibitorsOf(config.inhibitorFolder, now());
  const found = inhibitors.find(({ what }) => what.includes(step));
  if (found === undefined) return null;
  const { name, why, until } = found;
  return `inhibitor: ${name} until ${formatInstant(until)}: ${why}`;
}

/** What would hold an attempt up before a step, as far as the host can tell without doing anything; null for nothing. */
export async function visibleRefusal(
  host: Pick<AgentContext, 'config' | 'now'>,
  step: UpdateStep,
  target: Pick<Target, 'direction'>,
): Promise<string | null> {
  return (
    policyRefusal(host.config, step) ??
    windowRefusal(host, step, target) ??
    inhibitorRefusal(host, step)
  );
}

/** What holds an attempt up where it waits. */
export async function waitsFor(
  host: Pick<AgentContext, 'config' | 'now'>,
  state: AgentState,
): Promise<string | null> {
  const step = STEP_AFTER[state.kind];
  return step === null || state.kind === 'idle' ? null : visibleRefusal(host, step, state.target);
}

async function hookRefusal(host: Host, step: UpdateStep, target: Target): Promise<string | null> {
  const finished = await runHook(host, `before-${step}`, target);
  return finished === null || finished.isGood ? null : `hook: ${finished.message}`;
}
