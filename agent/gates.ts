import { windowsAt } from '../core/fleet/calendar.ts';
import { formatInstant } from '../core/instant.ts';
import type { AgentContext } from './context.ts';
import { runHook } from './hooks.ts';
import { inhibitorsOf } from './inhibitors.ts';
import type { AgentState, Target } from './machine-state.ts';
import type { Effect } from './machine-events.ts';

/** The steps of an attempt that the host has a say in. */
export type Gate = 'prepare' | 'apply' | 'reboot';

/** The gate that the machine waits at. */
export const GATES = {
  'await-prepare': 'prepare',
  'await-apply': 'apply',
  'await-reboot': 'reboot',
} as const satisfies Partial<Record<Effect, Gate>>;

const GATE_BEHIND: Readonly<Record<AgentState['kind'], Gate | null>> = {
  ...{ idle: null, available: 'prepare', staged: 'apply', ready: 'reboot' },
  ...{ rebooting: null, confirming: null, 'fallen-back': null },
};

const ORDER: readonly Gate[] = ['prepare', 'apply', 'reboot'];

type Host = Pick<AgentContext, 'config' | 'now' | 'signal' | 'onEvent'>;

/**
 * Why the host does not let an attempt go on by itself now, in words that begin with `policy`, `window`, `inhibitor` or `hook`;
 * null if it does. What precedes the step has then been done.
 */
export async function refusalOf(host: Host, gate: Gate, target: Target): Promise<string | null> {
  return (
    policyRefusal(host.config, gate) ??
    windowRefusal(host, gate, target) ??
    (await refusalByHand(host, gate, target))
  );
}

/** The same where a person asks for the step: policies and windows are for the agent alone. */
export async function refusalByHand(
  host: Host,
  gate: Gate,
  target: Target,
): Promise<string | null> {
  return (await inhibitorRefusal(host, gate)) ?? (await hookRefusal(host, gate, target));
}

/** Why the agent waits for a person; null if it goes on by itself. */
function policyRefusal({ update, reboot }: Host['config'], gate: Gate): string | null {
  if (gate === 'reboot') {
    return reboot.policy === 'automatic'
      ? null
      : 'policy: it takes a boot, which is left to others';
  }
  const { automatic } = update;
  const isAutomatic = automatic !== 'check' && ORDER.indexOf(gate) <= ORDER.indexOf(automatic);
  return isAutomatic ? null : `policy: the agent does not ${gate} by itself`;
}

/** A download disturbs nobody; a way back is in a hurry. */
function windowRefusal(
  { config, now }: Pick<Host, 'config' | 'now'>,
  gate: Gate,
  { direction }: Pick<Target, 'direction'>,
): string | null {
  const { windows, rollback } = config.update;
  if (gate === 'prepare' || (direction === 'rollback' && rollback === 'at-once')) return null;
  const { isOpen, until } = windowsAt(windows, now());
  if (isOpen) return null;
  return `window: none is open${until === null ? '' : ` before ${formatInstant(until)}`}`;
}

/** The first inhibitor that holds the step back. */
async function inhibitorRefusal(
  { config, now }: Pick<Host, 'config' | 'now'>,
  gate: Gate,
): Promise<string | null> {
  const inhibitors = await inhibitorsOf(config.inhibitorFolder, now());
  const found = inhibitors.find(({ what }) => what.includes(gate));
  if (found === undefined) return null;
  const { name, why, until } = found;
  return `inhibitor: ${name} until ${formatInstant(until)}: ${why}`;
}

/** What would hold an attempt up at a gate, as far as the host can tell without doing anything; null for nothing. */
export async function visibleRefusal(
  host: Pick<AgentContext, 'config' | 'now'>,
  gate: Gate,
  target: Pick<Target, 'direction'>,
): Promise<string | null> {
  return (
    policyRefusal(host.config, gate) ??
    windowRefusal(host, gate, target) ??
    inhibitorRefusal(host, gate)
  );
}

/** What holds an attempt up where it waits. */
export async function waitsFor(
  host: Pick<AgentContext, 'config' | 'now'>,
  state: AgentState,
): Promise<string | null> {
  const gate = GATE_BEHIND[state.kind];
  return gate === null || state.kind === 'idle' ? null : visibleRefusal(host, gate, state.target);
}

async function hookRefusal(host: Host, gate: Gate, target: Target): Promise<string | null> {
  const finished = await runHook(host, `before-${gate}`, target);
  return finished === null || finished.isGood ? null : `hook: ${finished.message}`;
}
