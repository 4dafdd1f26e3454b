import { windowsAt } from '../core/fleet/calendar.ts';
import { formatInstant } from '../core/instant.ts';
import type { AgentContext } from './context.ts';
import { runHook } from './hooks.ts';
import { inhibitorsOf } from './inhibitors.ts';
import { isOnWayBack } from './machine-state.ts';
import type { AgentState, Target } from './machine-state.ts';
import type { Effect } from './machine-events.ts';

/** The steps of an attempt that the host has a say in; `return` is the boot back from a release that was given up. */
export type UpdateStep = 'prepare' | 'apply' | 'reboot' | 'return';

/** The step that the machine waits for. */
export const STEP_AWAITED = {
  'await-prepare': 'prepare',
  'await-apply': 'apply',
  'await-reboot': 'reboot',
  'await-return': 'return',
} as const satisfies Partial<Record<Effect, UpdateStep>>;

const STEP_AFTER: Readonly<Record<AgentState['kind'], UpdateStep | null>> = {
  ...{ idle: null, available: 'prepare', staged: 'apply', ready: 'reboot' },
  ...{ rebooting: null, confirming: null, 'fallen-back': 'return' },
};

const ORDER: readonly UpdateStep[] = ['prepare', 'apply', 'reboot'];

/** Why nothing happens on a host that is about to boot. */
export const BOOT_ORDERED = 'boot: the system was asked to boot';

/** A host that is not well may be one that cannot be drained any more: after so long it is booted all the same. */
const DRAIN_PATIENCE_MS = 3_600_000;

/** What waits for a step, and since when where that counts. */
export type Waiting = { readonly target: Target; readonly sinceMs?: number };

type Host = Pick<AgentContext, 'config' | 'now' | 'signal' | 'onEvent'>;

/**
 * Why the host does not let an attempt go on by itself now, in words that begin with `policy`, `window`, `inhibitor` or `hook`;
 * null if it does. What precedes the step has then been done.
 */
export async function refusalOf(
  host: Host,
  step: UpdateStep,
  waiting: Waiting,
): Promise<string | null> {
  return (
    policyRefusal(host.config, step) ??
    windowRefusal(host, step, waiting.target) ??
    (await refusalByHand(host, step, waiting))
  );
}

/** The same where a person asks for the step: policies and windows are for the agent alone. */
export async function refusalByHand(
  host: Host,
  step: UpdateStep,
  waiting: Waiting,
): Promise<string | null> {
  return (await inhibitorRefusal(host, step)) ?? (await hookRefusal(host, step, waiting));
}

/** Why the agent waits for a person; null if it goes on by itself. Nobody is waited for on a host that is not well. */
function policyRefusal({ update, reboot }: Host['config'], step: UpdateStep): string | null {
  if (step === 'return') return null;
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
  if (
    step === 'prepare' ||
    step === 'return' ||
    (direction === 'rollback' && rollback === 'at-once')
  )
    return null;
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
  const found = inhibitors.find(({ what }) => what.includes(step === 'return' ? 'reboot' : step));
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
  if (state.kind === 'rebooting') return BOOT_ORDERED;
  if (state.kind === 'fallen-back' && state.isBack) return null;
  if (isOnWayBack(state) && state.isStuck) {
    const { reboots, target } = state;
    return `boot: the host was told ${reboots} times to boot ${target.from}, and boots ${target.to}`;
  }
  if (isOnWayBack(state) && state.ordered !== null) return BOOT_ORDERED;
  const step = STEP_AFTER[state.kind];
  return step === null || state.kind === 'idle' ? null : visibleRefusal(host, step, state.target);
}

async function hookRefusal(
  host: Host,
  step: UpdateStep,
  { target, sinceMs = 0 }: Waiting,
): Promise<string | null> {
  const finished = await runHook(
    host,
    step === 'return' ? 'before-reboot' : `before-${step}`,
    target,
  );
  if (finished === null || finished.isGood) return null;
  const isOverruled = step === 'return' && host.now().getTime() - sinceMs >= DRAIN_PATIENCE_MS;
  return isOverruled ? null : `hook: ${finished.message}`;
}
