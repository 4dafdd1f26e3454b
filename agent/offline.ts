import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import type { AgentContext } from './context.ts';
import { AgentError } from './errors.ts';

/**
 * The same host with everything from a folder that `tidegate repo mirror` made, and no server to ask: what is signed decides,
 * by the same rules. Reports wait for the server that the configuration names. Throws `agent/not-there`.
 */
export async function offline(context: AgentContext, folder: string): Promise<AgentContext> {
  const timestamp = join(folder, 'metadata', 'timestamp.json');
  try {
    await stat(timestamp);
  } catch (cause) {
    throw new AgentError(
      'agent/not-there',
      `${folder} holds no repository: cannot read ${timestamp} (${errnoOf(cause) ?? 'unknown'})`,
      { cause, hints: ['make it with `tidegate repo mirror`'] },
    );
  }
  const url = (name: string) => `${pathToFileURL(join(folder, name)).href}/`;
  const config = {
    ...context.config,
    server: null,
    metadataUrl: url('metadata'),
    targetsUrl: url('targets'),
    mirrors: [],
  };
  return { ...context, config };
}
