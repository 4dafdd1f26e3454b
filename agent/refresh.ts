import { join } from 'node:path';
import type { AgentContext } from './context.ts';
import { refreshRepository } from './tuf/client.ts';
import type { VerifiedRepository } from './tuf/client.ts';

/** The repository as it is published now, verified; what was found damaged on the way is told as an event. */
export async function refresh({
  config,
  now,
  signal,
  onEvent,
}: Pick<AgentContext, 'config' | 'now' | 'signal' | 'onEvent'>): Promise<VerifiedRepository> {
  const { metadataUrl, targetsUrl, trustAnchor, stateFolder } = config;
  const repository = await refreshRepository({
    ...{ metadataUrl, targetsUrl, trustAnchor, now, signal },
    folder: join(stateFolder, 'tuf'),
  });
  if (repository.damaged.length > 0)
    onEvent('trusted-metadata-damaged', { damaged: repository.damaged });
  return repository;
}
