import type { AgentContext } from './context.ts';
import { GptSlots } from './slots/gpt.ts';

/**
 * Whether the host runs a release on trial, so that a boot brings it nearer to the release before. Where the boot loader's
 * bits can be read, they alone count: each boot takes a try away, so nobody who boots because of this answer does so for ever.
 */
export async function isOnTrial({
  slots,
  journal,
}: Pick<AgentContext, 'slots' | 'journal'>): Promise<boolean> {
  if (slots instanceof GptSlots) {
    const { running, pair } = await slots.status();
    return running !== null && !pair[running].successful;
  }
  if (!slots.needsReboot) return false;
  const { state } = await journal.read();
  const { active } = await slots.read();
  return (
    (state.kind === 'ready' || state.kind === 'rebooting' || state.kind === 'confirming') &&
    state.target.to === active?.release.version
  );
}
