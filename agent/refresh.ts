import { join } from 'node:path';
import type { AgentContext } from './context.ts';
import { refreshRepository } from './tuf/client.ts';
import type { VerifiedRepository } from './tuf/client.ts';
import { withoutPassword } from './without-password.ts';

/** The repository as it is published now, verified; what was found damaged on the way is told as an event. */
export async function refresh({
  config,
  network,
  now,
  signal,
  onEvent,
}: Pick<
  AgentContext,
  'config' | 'network' | 'now' | 'signal' | 'onEvent'
>): Promise<VerifiedRepository> {
  const { metadataUrl, targetsUrl, mirrors, trustAnchor, stateFolder } = config;
  const repository = await refreshRepository({
    ...{ metadataUrl, targetsUrl, mirrors, trustAnchor, network, now, signal },
    folder: join(stateFolder, 'tuf'),
    onPlaceFailed: ({ url, ...failure }) => {
      onEvent('repository-failed', { url: withoutPassword(url), ...failure });
    },
  });
  if (repository.damaged.length > 0)
    onEvent('trusted-metadata-damaged', { damaged: repository.damaged });
  return repository;
}
