import type { Attempt } from './attempt.ts';
import type { AgentContext } from './context.ts';
import { AgentError } from './errors.ts';
import { failedBy, momentOf, noted } from './failed-step.ts';
import type { AgentEvent } from './machine-events.ts';
import type { Target } from './machine-state.ts';
import { BOOT_ORDERED } from './refusals.ts';

/** Makes the inactive slot the next to boot. */
export async function activate(
  context: AgentContext,
  target: Target,
  attempt: Attempt,
): Promise<AgentEvent | null> {
  const { slots } = context;
  try {
    // What was tried in vain before is tried again because somebody asked for it.
    if ((await slots.read()).isTriedInVain) await slots.deactivate(target.from);
    await slots.activate(target.to);
  } catch (error) {
    const failed = { error, stage: 'activate', target, attempt } as const;
    // It may have taken effect all the same: the attempt is over only where the slot of before surely boots.
    if (await isTakenBack(context, target)) return failedBy(context, failed);
    noted(context, failed);
    return null;
  }
  return { kind: 'activated', needsReboot: slots.needsReboot };
}

/** False where the disk does not take that either: then the next cycle goes by what the slots say. */
async function isTakenBack({ slots }: AgentContext, { from }: Target): Promise<boolean> {
  try {
    await slots.deactivate(from);
    return true;
  } catch (error) {
    if (error instanceof AgentError) return false;
    throw error;
  }
}

/** Makes the slot of before the next to boot. */
export async function deactivate(context: AgentContext, { from }: Target): Promise<AgentEvent> {
  const { slots } = context;
  await slots.deactivate(from);
  const { active } = await slots.read();
  const needsReboot = active?.release.version !== from;
  return { kind: 'deactivated', needsReboot, ...momentOf(context) };
}

export async function reboot(
  context: AgentContext,
  target: Target,
  attempt: Attempt,
): Promise<AgentEvent | null> {
  context.onEvent('reboot', target);
  try {
    await context.system.reboot();
  } catch (error) {
    noted(context, { error, stage: 'reboot', target, attempt });
    return { kind: 'reboot-put-off' };
  }
  attempt.isBooting = true;
  attempt.reason = BOOT_ORDERED;
  return null;
}
