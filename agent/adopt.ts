import type { AgentContext } from './context.ts';
import { AgentError } from './errors.ts';
import { fetchRelease } from './install.ts';
import { refresh } from './refresh.ts';
import { CommandSlots } from './slots/command.ts';
import { GptSlots } from './slots/gpt.ts';

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

/**
 * Where nobody knows any more what the running slot holds: compares it with every published release, the newest first, and
 * remembers the one that it is, byte for byte. So what the running release permits counts also after the state was lost, and
 * whoever holds back its document gets nothing but a host that stays. Throws `agent/slots` if it is none of them, and as
 * `refresh` does.
 */
export async function adoptWhatRuns(context: AgentContext): Promise<void> {
  const { slots, config, onEvent } = context;
  if (!(slots instanceof GptSlots || slots instanceof CommandSlots)) return;
  if (await slots.isRunningKnown()) return;
  const { variant, arch } = config.host;
  const repository = await refresh(context);
  const versions = await repository.publishedVersions(config.host);
  for (const version of versions.toReversed()) {
    const { document } = await fetchRelease(repository, { variant, arch, version });
    if (!(await isRunning(slots, document))) continue;
    onEvent('adopted', { version });
    return;
  }
  throw new AgentError(
    'agent/slots',
    `what runs is no published release of ${variant} ${arch}: it is not known where this host may go`,
    {
      hints: [
        'publish the release that runs, or tell its version with `tidegate agent slots adopt`',
      ],
    },
  );
}

async function isRunning(slots: GptSlots | CommandSlots, document: Uint8Array): Promise<boolean> {
  try {
    await slots.adoptActive(document);
    return await slots.isRunningKnown();
  } catch (error) {
    if (error instanceof AgentError && error.code === 'agent/image') return false;
    throw error;
  }
}
