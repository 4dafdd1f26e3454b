import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { WORKER } from '../../agent/daemon/messages.ts';
import { supervise } from '../../agent/daemon/supervise.ts';
import type { Child } from '../../agent/daemon/worker-process.ts';
import { COMPILE_CACHE } from './compile-cache.ts';

const AGENT = join(import.meta.dirname, '..', '..', 'bin', 'agent.ts');
const env = { ...process.env, ...COMPILE_CACHE };

const eventSchema = z.looseObject({ msg: z.string() });
type DaemonEvent = z.infer<typeof eventSchema>;

/** What a daemon and its workers say to stderr. */
class Said {
  readonly lines: string[] = [];
  readonly #waiting = new Set<() => void>();

  protected hear(line: string): void {
    this.lines.push(line);
    this.#waiting.forEach((look) => {
      look();
    });
  }

  protected listen(stream: Readable): void {
    createInterface({ input: stream }).on('line', (line) => {
      this.hear(line);
    });
  }

  /** The event of this name after so many others of it, as soon as there is one. */
  async event(name: string, after = 0): Promise<DaemonEvent> {
    for (;;) {
      const found = this.events(name)[after];
      if (found !== undefined) return found;
      const next = Promise.withResolvers<void>();
      this.#waiting.add(next.resolve);
      await next.promise;
      this.#waiting.delete(next.resolve);
    }
  }

  events(name: string): readonly DaemonEvent[] {
    return this.lines
      .filter((line) => line.startsWith('{'))
      .map((line) => eventSchema.parse(JSON.parse(line)))
      .filter(({ msg }) => msg === name);
  }
}

/** The real `agent run`, with processes of its own. */
export class Daemon extends Said implements AsyncDisposable {
  readonly pid: number;
  /** Settles with its exit code. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(configFile: string) {
    super();
    const child = spawn(process.execPath, [AGENT, 'agent', 'run', '--config', configFile], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.ended = once(child, 'close').then(() => child.exitCode);
    this.listen(child.stderr);
  }

  /** Pids of the processes that work for it now. */
  async workers(): Promise<readonly number[]> {
    const children = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8');
    return children.trim().split(' ').filter(Boolean).map(Number);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGTERM');
    await this.ended;
  }
}

/** The daemon in this process, with real workers; a cycle begins when the test says so, but for the first. */
export class SlowDaemon extends Said implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #worker: ChildProcess | null = null;
  #gone: Promise<unknown> = Promise.resolve();
  #go = Promise.withResolvers<void>();

  /** `nodeOptions` are for its workers. */
  constructor(configFile: string, nodeOptions: readonly string[] = []) {
    super();
    this.#ended = supervise({
      start: () => this.#start(configFile, nodeOptions),
      signal: this.#stop.signal,
      onEvent: (msg, details) => {
        this.hear(JSON.stringify({ ...details, msg }));
      },
      waiting: { random: () => 0.5, pause: (_, signal) => this.#pause(signal) },
    });
  }

  /** Until the last worker has gone. */
  async idle(): Promise<void> {
    await this.#gone;
  }

  /** Begins one, when the worker of the one before has gone. */
  async nextCycle(): Promise<void> {
    await this.idle();
    this.#go.resolve();
  }

  killWorker(signal: NodeJS.Signals): void {
    this.#worker?.kill(signal);
  }

  #start(configFile: string, nodeOptions: readonly string[]): Child {
    const argv = [...nodeOptions, AGENT, 'agent', WORKER, '--config', configFile];
    const worker = spawn(process.execPath, argv, {
      env,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#worker = worker;
    this.#gone = once(worker, 'exit');
    if (worker.stderr !== null) this.listen(worker.stderr);
    return worker;
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#go.promise, signal.aborted || once(signal, 'abort')]);
    this.#go = Promise.withResolvers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}

/** One request over a Unix socket. */
export async function callSocket(socketPath: string, method: string, path: string) {
  const sent = request({ socketPath, method, path, agent: false });
  sent.end();
  const [response] = await once(sent, 'response');
  const body = await text(response);
  return { status: response.statusCode, body: body === '' ? null : JSON.parse(body) };
}
