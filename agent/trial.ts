import type { AgentContext } from './context.ts';
import { GptSlots } from './slots/gpt.ts';

/**
 * Whether the host runs a release on trial, so that a boot brings it nearer to the release before. The boot loader alone
 * counts, and no journal: each boot takes a try away, so nobody who boots because of this answer does so for ever.
 */
export async function isOnTrial({ slots }: Pick<AgentContext, 'slots'>): Promise<boolean> {
  if (!(slots instanceof GptSlots)) return (await slots.read()).isOnTrial;
  // The bits tell even where it is not known what release runs.
  const { running, pair } = await slots.status();
  return running !== null && !pair[running].successful;
}
