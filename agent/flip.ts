import { compareVersions } from '../core/version.ts';
import type { AgentContext } from './context.ts';
import { requirePermission } from './permission.ts';
import { requireActive } from './settle.ts';

export type Flipped = { readonly from: string; readonly to: string };

/**
 * Activates by hand what the inactive slot holds, after it was read through and compared once more. The signed documents of
 * both releases must permit it, as they must when a server asks for it. The agent leaves the choice alone, and finds the
 * release good or goes back once it was booted.
 */
export async function flip(
  { slots, journal }: Pick<AgentContext, 'slots' | 'journal'>,
  go: (version: string) => Promise<void>,
): Promise<Flipped> {
  const active = requireActive(await slots.read());
  const { release } = await slots.verifyInactive();
  const from = active.release.version;
  const isForward = compareVersions(release.version, from) > 0;
  requirePermission(active.release, release, isForward ? 'forward' : 'rollback');
  // Without a journal the agent would take the choice for an order of its own that it has forgotten.
  const { state, isLost } = await journal.read();
  if (isLost) await journal.write(state);
  await go(release.version);
  return { from, to: release.version };
}
