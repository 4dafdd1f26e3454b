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
export type Child = EventEmitter &
  Pick<ChildProcess, 'send' | 'disconnect' | 'kill'> & {
    /** Whether there is somebody to send to. */
    readonly connected: boolean;
  };

/** A process that works for this one until it has nothing more to do. */
export class WorkerProcess {
  /** Rejects with an ExpectedError if it cannot work. */
  readonly ready: Promise<Ready>;
  /** Settles when it has ended, and never rejects. */
  readonly ended: Promise<void>;
  readonly #child: Child | null;
  readonly #ready = Promise.withResolvers<Ready>();
  #cycle: PromiseWithResolvers<CycleEnd> | null = null;
  /** Connections that it has not got yet. */
  readonly #handedOver: Socket[] = [];
  #sent = 0;
  #isThere = true;
  #loss: ExpectedError | null = null;

  /** A child that cannot be started is a worker that has ended. */
  constructor(start: () => Child) {
    this.ready = this.#ready.promise;
    // Who asks for work learns it there.
    this.ready.catch(() => {});
    const child = this.#started(start);
    this.#child = child;
    this.ended = child === null ? Promise.resolve() : this.#listenTo(child);
  }

  #started(start: () => Child): Child | null {
    try {
      return start();
    } catch (cause) {
      this.#lost(notStarted(cause));
      return null;
    }
  }

  #listenTo(child: Child): Promise<void> {
    child.on('message', (message) => {
      const said = fromWorkerSchema.safeParse(message);
      if (said.success) {
        this.#heard(said.data);
        return;
      }
      this.#lost(new AgentError('agent/worker', 'the worker said what nobody understands'));
      child.kill('SIGTERM');
    });
    // It hears nothing any more. Why, its end tells.
    child.on('disconnect', () => {
      this.#isThere = false;
      this.#closeHandedOver();
    });
    return new Promise((resolve) => {
      child.on('error', (cause) => {
        this.#lost(notStarted(cause));
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
    if (this.#loss !== null) return Promise.reject(this.#loss);
    const cycle = Promise.withResolvers<CycleEnd>();
    this.#cycle = cycle;
    this.#send({ kind: 'cycle' }, null);
    return cycle.promise;
  }

  /** Has it answer a caller of the API. */
  take(connection: Socket): void {
    this.#handedOver.push(connection);
    this.#send({ kind: 'connection' }, connection);
    if (!this.#isThere) this.#closeHandedOver();
  }

  /** Has it end what it does. */
  stop(): void {
    this.#isThere = false;
    this.#child?.kill('SIGTERM');
  }

  #send(message: ToWorker, connection: Socket | null): void {
    this.#sent += 1;
    if (this.#child?.connected !== true) return;
    // It is kept open here until it is there: else nobody could close it after a worker that was killed.
    this.#child.send(message, connection ?? undefined, { keepOpen: true }, (error) => {
      if (error !== null) connection?.destroy();
    });
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
    this.#child?.disconnect();
  }

  /** The first reason counts. */
  #lost(why: ExpectedError): void {
    this.#isThere = false;
    this.#loss ??= why;
    this.#ready.reject(this.#loss);
    this.#cycle?.reject(this.#loss);
    this.#closeHandedOver();
  }

  #closeHandedOver(): void {
    this.#handedOver.splice(0).forEach((connection) => connection.destroy());
  }
}

function notStarted(cause: unknown): AgentError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AgentError('agent/worker', `no worker: ${reason}`, { cause });
}
