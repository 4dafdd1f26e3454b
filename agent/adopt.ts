import type { AgentContext } from './context.ts';
import { fetchRelease } from './install.ts';
import { refresh } from './refresh.ts';
import type { CommandSlots } from './slots/command.ts';
import type { GptSlots } from './slots/gpt.ts';

/**
 * After the state was lost: fetches the signed document of a version, compares the running slot with it and remembers
 * it as what runs. Throws `agent/image` if it is something else.
 */
export async function adopt(
  context: AgentContext,
  slots: GptSlots | CommandSlots,
  version: string,
): Promise<void> {
  const repository = await refresh(context);
  const { variant, arch } = context.config.host;
  const { document } = await fetchRelease(repository, { variant, arch, version });
  await slots.adoptActive(document);
}
