import type { Socket } from 'node:net';
import { ExpectedError } from '../../core/errors.ts';
import { WAITING } from '../backoff.ts';
import type { Waiting } from '../backoff.ts';
import type { AgentContext } from '../context.ts';
import { asOnlyDaemon } from '../lock.ts';
import { listenOn } from './listen.ts';
import { orFailed } from './or-failed.ts';
import { runForever } from './run-forever.ts';
import { WorkerProcess } from './worker-process.ts';
import type { Child } from './worker-process.ts';

type Options = Pick<AgentContext, 'onEvent'> & {
  readonly start: () => Child;
  readonly signal: AbortSignal;
  readonly waiting?: Waiting;
};

/**
 * The daemon: it waits for the next cycle and for callers of the API, and has a worker do all that there is to do, so that
 * between them a host has nothing in memory but what waiting takes. A worker that ends before its time is followed by another.
 * Throws what the first worker says of why it cannot work, `agent/locked`, `agent/config`.
 */
export async function supervise({
  start,
  signal,
  onEvent,
  waiting = WAITING,
}: Options): Promise<void> {
  const workers = new Set<WorkerProcess>();
  let current: WorkerProcess | null = null;
  const worker = () => {
    if (current?.isThere === true) return current;
    const started = new WorkerProcess(start);
    workers.add(started);
    void started.ended.then(() => workers.delete(started));
    current = started;
    return started;
  };
  const stop = () => {
    workers.forEach((one) => {
      one.stop();
    });
  };
  signal.addEventListener('abort', stop);
  try {
    const { stateFolder, api } = await worker().ready;
    await asOnlyDaemon(stateFolder, async () => {
      const take = (connection: Socket) => {
        if (signal.aborted) {
          connection.destroy();
          return;
        }
        const server = worker();
        server.ready.catch((error: unknown) => {
          const message = error instanceof Error ? error.message : String(error);
          if (!signal.aborted) onEvent('api-failed', { message });
        });
        server.take(connection);
      };
      await using _ = api === null ? null : await listenOn(api, take);
      await runForever(
        () => orFailed(() => worker().cycle(), { signal, onEvent }),
        signal,
        waiting,
      );
    });
  } catch (error) {
    if (!signal.aborted || !(error instanceof ExpectedError)) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    await Promise.all([...workers].map(({ ended }) => ended));
  }
}
