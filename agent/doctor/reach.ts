import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import type { AgentContext } from '../context.ts';
import { onDisk } from '../on-disk.ts';
import { AgentError } from '../errors.ts';
import { readBody, send } from '../http.ts';
import { refresh } from '../refresh.ts';
import type { VerifiedRepository } from '../tuf/client.ts';
import { bad, good, warning } from './check.ts';
import type { Check } from './check.ts';

const MAX_ANSWER_BYTES = 64 * 1024;

export type Reached = { readonly check: Check; readonly date: Date | null };

/** Whether the server answers, and the time that it has. */
export async function checkServer({
  config,
  network,
  signal,
}: Pick<AgentContext, 'config' | 'network' | 'signal'>): Promise<Reached> {
  const { server } = config;
  if (server === null) {
    return { check: good('server', 'none: the signed manifest alone decides'), date: null };
  }
  const url = `${server.url}healthz`;
  try {
    const response = await send(url, { network, signal });
    await readBody(response, url, MAX_ANSWER_BYTES);
    const { status, headers } = response;
    const date = typeof headers['date'] === 'string' ? new Date(headers['date']) : null;
    const isDate = date !== null && !Number.isNaN(date.getTime());
    const check =
      status === 200
        ? good('server', `${server.url} answers`)
        : away(server, `${url} answered ${status}`);
    return { check, date: isDate ? date : null };
  } catch (error) {
    if (!(error instanceof AgentError) || error.code === 'agent/stopped') throw error;
    return { check: away(server, error.message), date: null };
  }
}

/** What it means that the server is away. */
function away({ fallback }: { readonly fallback: 'stay' | 'static' }, message: string): Check {
  const advice = 'see whether server.url is right and the network lets this host through';
  return fallback === 'static'
    ? warning('server', `${message}; the signed manifest alone decides meanwhile`, advice)
    : bad('server', message, advice);
}

/** The repository as this host would verify it now, without a change of what the host remembers. */
export class ScratchRepository implements AsyncDisposable {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Begins with a copy of what the host remembers. Throws `agent/disk`, `agent/full`. */
  static async copyOf(stateFolder: string): Promise<ScratchRepository> {
    return onDisk('copying what this host trusts', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tidegate-doctor-'));
      for (const file of ['metadata.json', 'floor.json']) {
        const path = join('tuf', file);
        await cp(join(stateFolder, path), join(folder, path)).catch((error: unknown) => {
          if (errnoOf(error) !== 'ENOENT') throw error;
        });
      }
      return new ScratchRepository(folder);
    });
  }

  /** Where what was verified lies, like the agent's own folder for it. */
  get trustFolder(): string {
    return join(this.#folder, 'tuf');
  }

  /** Throws as the refresh of a cycle does. */
  async refresh(
    context: Pick<AgentContext, 'config' | 'network' | 'now' | 'signal'>,
  ): Promise<VerifiedRepository> {
    const config = { ...context.config, stateFolder: this.#folder };
    return refresh({ ...context, config, onEvent: () => {} });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
