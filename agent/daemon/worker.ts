import { Socket } from 'node:net';
import { ApiServer } from '../api/server.ts';
import type { AgentContext } from '../context.ts';
import { toWorkerSchema } from './messages.ts';
import type { FromWorker } from './messages.ts';
import { oneCycle } from './one-cycle.ts';

/** Who calls the API once mostly comes again: orchestrators look at the status every few seconds. */
const LINGER_MS = 10_000;

/** The process that a worker works for, as it sees it. */
export type Parent = {
  readonly send: (message: FromWorker) => unknown;
  readonly onMessage: (listener: (message: unknown, handle: unknown) => void) => void;
};

/**
 * Does what the daemon asks for, and tells it when there is no more to do, until `signal` is aborted; what is under way then
 * comes to its end.
 */
export async function workFor(
  parent: Parent,
  context: AgentContext,
  { signal, lingerMs = LINGER_MS }: { readonly signal: AbortSignal; readonly lingerMs?: number },
): Promise<void> {
  const { stateFolder, api } = context.config;
  const broken = Promise.withResolvers<never>();
  const worker = new Worker(parent, context, lingerMs);
  parent.onMessage((message, handle) => {
    if (!signal.aborted) worker.take(message, handle).catch(broken.reject);
    // Nobody else can close it any more.
    else if (handle instanceof Socket) handle.destroy();
  });
  parent.send({ kind: 'ready', stateFolder, api });
  await Promise.race([aborted(signal), broken.promise]);
  await Promise.race([worker.stop(), broken.promise]);
}

class Worker {
  readonly #parent: Parent;
  readonly #context: AgentContext;
  readonly #lingerMs: number;
  readonly #api: ApiServer;
  readonly #underWay = new Set<Promise<void>>();
  #taken = 0;
  /** Milliseconds of the monotonic clock. */
  #staysUntil = 0;
  #leaving: NodeJS.Timeout | undefined;

  constructor(parent: Parent, context: AgentContext, lingerMs: number) {
    this.#parent = parent;
    this.#context = context;
    this.#lingerMs = lingerMs;
    this.#api = new ApiServer(context);
  }

  async take(message: unknown, handle: unknown): Promise<void> {
    clearTimeout(this.#leaving);
    this.#taken += 1;
    const { kind } = toWorkerSchema.parse(message);
    const work = kind === 'cycle' ? this.#cycle() : this.#serve(handle);
    this.#underWay.add(work);
    await work;
    this.#underWay.delete(work);
    if (this.#underWay.size > 0) return;
    const staysMs = Math.max(0, this.#staysUntil - performance.now());
    this.#leaving = setTimeout(() => {
      this.#parent.send({ kind: 'idle', taken: this.#taken });
    }, staysMs);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#leaving);
    this.#api.stop();
    await Promise.all(this.#underWay);
    clearTimeout(this.#leaving);
  }

  async #cycle(): Promise<void> {
    this.#parent.send({ kind: 'cycle-ended', end: await oneCycle(this.#context) });
  }

  async #serve(handle: unknown): Promise<void> {
    this.#parent.send({ kind: 'connected' });
    // Whoever hung up on the way here left none.
    if (handle instanceof Socket) await this.#api.serve(handle);
    this.#staysUntil = performance.now() + this.#lingerMs;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}
