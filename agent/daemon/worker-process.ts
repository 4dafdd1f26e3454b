import type { ChildProcess } from 'node:child_process';
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { ExpectedError } from '../../core/errors.ts';
import { AgentError } from '../errors.ts';
import { fromWorkerSchema } from './messages.ts';
import type { CycleEnd, FromWorker, Ready, ToWorker } from './messages.ts';

/** What a worker said of why it cannot work. */
class WorkerRefused extends ExpectedError {}

/** Of a child process, what it takes to have it work. */
export type Child = EventEmitter & Pick<ChildProcess, 'send' | 'disconnect' | 'kill'>;

/** A process that works for this one until it has nothing more to do. */
export class WorkerProcess {
  /** Rejects with an ExpectedError if it cannot work. */
  readonly ready: Promise<Ready>;
  /** Settles when it has ended, and never rejects. */
  readonly ended: Promise<void>;
  readonly #child: Child;
  readonly #ready = Promise.withResolvers<Ready>();
  #cycle: PromiseWithResolvers<CycleEnd> | null = null;
  /** Connections that it has not got yet. */
  readonly #handedOver: Socket[] = [];
  #sent = 0;
  #isThere = true;

  constructor(child: Child) {
    this.#child = child;
    this.ready = this.#ready.promise;
    // Who asks for work learns it there.
    this.ready.catch(() => {});
    child.on('message', (message) => {
      this.#heard(fromWorkerSchema.parse(message));
    });
    this.ended = new Promise((resolve) => {
      child.on('error', (cause: Error) => {
        this.#lost(new AgentError('agent/worker', `no worker: ${cause.message}`, { cause }));
        resolve();
      });
      child.on('exit', (code: number | null, signal: NodeJS.Signals | null) => {
        const how = signal ?? `exit code ${code}`;
        this.#lost(new AgentError('agent/worker', `the worker ended with ${how}`));
        resolve();
      });
    });
  }

  /** Whether it takes work. It may still end before the work does. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** Has it do one cycle. Rejects with an ExpectedError if it ends before. */
  cycle(): Promise<CycleEnd> {
    const cycle = Promise.withResolvers<CycleEnd>();
    this.#cycle = cycle;
    this.#send({ kind: 'cycle' });
    return cycle.promise;
  }

  /** Has it answer a caller of the API. */
  take(connection: Socket): void {
    this.#handedOver.push(connection);
    this.#send({ kind: 'connection' }, connection);
  }

  /** Has it end what it does. */
  stop(): void {
    this.#isThere = false;
    this.#child.kill('SIGTERM');
  }

  #send(message: ToWorker, handle?: Socket): void {
    this.#sent += 1;
    // It is kept open here until it is there: else nobody could close it after a worker that was killed. Its end is told elsewhere.
    this.#child.send(message, handle, { keepOpen: true }, () => {});
  }

  #heard(said: FromWorker): void {
    switch (said.kind) {
      case 'ready':
        this.#ready.resolve(said);
        break;
      case 'refused':
        this.#lost(new WorkerRefused(said.code, said.message, { hints: said.hints }));
        break;
      case 'cycle-ended':
        this.#cycle?.resolve(said.end);
        break;
      case 'connected':
        this.#handedOver.shift()?.destroy();
        break;
      case 'idle':
        // Something may be on its way to it.
        if (said.taken === this.#sent && this.#isThere) this.#leave();
    }
  }

  #leave(): void {
    this.#isThere = false;
    this.#child.disconnect();
  }

  #lost(why: ExpectedError): void {
    this.#isThere = false;
    this.#ready.reject(why);
    this.#cycle?.reject(why);
    this.#handedOver.splice(0).forEach((connection) => connection.destroy());
  }
}
