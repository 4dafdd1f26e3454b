import { compareVersions } from '../core/version.ts';
import { requirePermission } from './permission.ts';
import { requireActive } from './settle.ts';
import type { Slots } from './slots/slots.ts';

export type Flipped = { readonly from: string; readonly to: string };

/**
 * Activates by hand what the inactive slot holds, after it was read through and compared once more. The signed documents of
 * both releases must permit it, as they must when a server asks for it.
 */
export async function flip(slots: Slots, go: (version: string) => Promise<void>): Promise<Flipped> {
  const active = requireActive(await slots.read());
  const { release } = await slots.verifyInactive();
  const from = active.release.version;
  const isForward = compareVersions(release.version, from) > 0;
  requirePermission(active.release, release, isForward ? 'forward' : 'rollback');
  await go(release.version);
  return { from, to: release.version };
}
