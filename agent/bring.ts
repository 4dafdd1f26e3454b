import type { AgentContext } from './context.ts';
import type { Conduct } from './attempt.ts';
import { AgentError, NotTheFileError } from './errors.ts';
import { fetchRelease, fillInactiveSlot } from './install.ts';
import { requirePermission } from './permission.ts';
import { runningRelease } from './running-release.ts';
import type { SealedSlot, Slots } from './slots/slots.ts';
import type { VerifiedRepository } from './tuf/client.ts';

/**
 * Releases come from the repository, on the terms that are published today. Whatever keeps this host from a file, without a
 * word about what the file holds, is `agent/unreachable`: the release is not to blame.
 */
export function fromRepository(
  context: AgentContext,
  active: SealedSlot,
  open: () => Promise<VerifiedRepository>,
): Conduct['verify'] {
  return async ({ to: version, direction }) => {
    const { repository, fetched } = await overNetwork(async () => {
      const opened = await open();
      const found = await fetchRelease(opened, { ...context.config.host, version });
      return { repository: opened, fetched: found };
    });
    const running =
      direction === 'rollback'
        ? await overNetwork(() => runningRelease(repository, active.release))
        : active.release;
    requirePermission(running, fetched.release, direction);
    return () => overNetwork(() => fillInactiveSlot(context, repository, fetched));
  };
}

async function overNetwork<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof NotTheFileError)) throw cause;
    throw new AgentError('agent/unreachable', cause.message, { cause });
  }
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
