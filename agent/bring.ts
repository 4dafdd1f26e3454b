import type { AgentContext } from './context.ts';
import type { Conduct } from './attempt.ts';
import { AgentError } from './errors.ts';
import { fetchRelease, fillInactiveSlot } from './install.ts';
import { requirePermission } from './permission.ts';
import { runningRelease } from './running-release.ts';
import type { SealedSlot, Slots } from './slots/slots.ts';
import type { VerifiedRepository } from './tuf/client.ts';

/** Releases come from the repository, on the terms that are published today. */
export function fromRepository(
  context: AgentContext,
  active: SealedSlot,
  open: () => Promise<VerifiedRepository>,
): Conduct['verify'] {
  return async ({ to: version, direction }) => {
    const repository = await open();
    const fetched = await fetchRelease(repository, { ...context.config.host, version });
    const running =
      direction === 'rollback' ? await runningRelease(repository, active.release) : active.release;
    requirePermission(running, fetched.release, direction);
    return () => fillInactiveSlot(context, repository, fetched);
  };
}

/** What the inactive slot holds, on the terms that the slots were sealed with: no network is needed to go back by hand. */
export function fromSlot(slots: Slots, active: SealedSlot): Conduct['verify'] {
  return async ({ to, direction }) => {
    const { release } = await slots.verifyInactive();
    if (release.version !== to) {
      throw new AgentError('agent/slots', `the inactive slot holds ${release.version}, not ${to}`);
    }
    requirePermission(active.release, release, direction);
    return async () => 0;
  };
}
