import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type * as z from 'zod';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import { AgentError } from '../errors.ts';
import type { AgentErrorCode } from '../errors.ts';
import { garbageLimit } from '../garbage-limit.ts';
import type { Program } from '../programs.ts';
import { formatRequest, MOST_ANSWER_BYTES, parseAnswer } from './command-protocol.ts';
import type { ProgramErrorCode, ProgramRequest } from './command-protocol.ts';

export type SlotsProgram = {
  readonly program: Program;
  /** A program that takes and gives no byte for so long, while it is waited for, is killed. */
  readonly timeoutMs: number;
};

/** How a program ended, and all that it said. */
export type ProgramEnd = {
  readonly stdout: string;
  /** Why it is no success, whatever it said; null for exit code 0. */
  readonly failure: string | null;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
};

type Exit = Pick<ProgramEnd, 'failure'>;

const STDERR_TAIL = 1000;

const CODES: Readonly<Record<ProgramErrorCode, AgentErrorCode>> = {
  full: 'agent/full',
  disk: 'agent/disk',
  image: 'agent/image',
  slots: 'agent/slots',
  unsupported: 'agent/slots',
};

/**
 * One program at work on one operation. It leads a process group of its own, so that whatever it started is killed with it.
 * Whoever starts one must come to its `end` or `kill` it.
 */
export class RunningProgram {
  readonly #child: ChildProcess;
  readonly #timeoutMs: number;
  readonly #exit: Promise<Exit>;
  readonly #output: AsyncIterator<unknown>;
  #unread: Buffer = Buffer.alloc(0);
  #stderr = '';
  #isTooSlow = false;
  #isOver = false;

  private constructor(child: ChildProcess, timeoutMs: number) {
    this.#child = child;
    this.#timeoutMs = timeoutMs;
    this.#exit = new Promise((resolve) => {
      child.on('error', (error) => {
        this.#isOver = true;
        resolve({ failure: `cannot be run (${errnoOf(error) ?? 'unknown'})` });
      });
      child.on('close', (code, signal) => {
        this.#isOver = true;
        const how = signal === null ? `exited with ${code}` : `was ended by ${signal}`;
        resolve({ failure: code === 0 ? null : how });
      });
    });
    const { stdin, stdout, stderr } = streamsOf(this.#child);
    // Why a program reads no further is in its answer.
    stdin.on('error', () => undefined);
    stderr.on('error', () => undefined);
    stderr.on('data', (chunk: Buffer) => {
      this.#stderr = `${this.#stderr}${chunk.toString('utf8')}`.slice(-STDERR_TAIL);
    });
    this.#output = stdout[Symbol.asyncIterator]();
  }

  /** Starts the program with text as its first input: a request, or what a conformance test gives in its place. */
  static start(
    { program: [file, ...args], timeoutMs }: SlotsProgram,
    request: ProgramRequest | string,
  ): RunningProgram {
    const running = new RunningProgram(spawnGroup(file, args), timeoutMs);
    const { stdin } = streamsOf(running.#child);
    stdin.write(typeof request === 'string' ? request : formatRequest(request));
    return running;
  }

  /** Whether the program took the bytes; if it takes no more, its answer says why. */
  async send(bytes: Uint8Array): Promise<boolean> {
    const { stdin } = streamsOf(this.#child);
    return this.#patiently(
      new Promise((resolve) => {
        stdin.write(bytes, (error) => {
          resolve(error === null || error === undefined);
        });
      }),
    );
  }

  /** Nothing more is sent. */
  closeInput(): void {
    streamsOf(this.#child).stdin.end();
  }

  /** The first line of what the program says, with its end; less if it says no whole line. */
  async line(): Promise<string> {
    const parts: Buffer[] = [];
    for (let size = 0; size < MOST_ANSWER_BYTES;) {
      const chunk = await this.chunk();
      if (chunk === null) break;
      const end = chunk.indexOf('\n') + 1;
      parts.push(end === 0 ? chunk : chunk.subarray(0, end));
      size += chunk.length;
      if (end > 0) {
        this.#unread = chunk.subarray(end);
        break;
      }
    }
    return Buffer.concat(parts).toString('utf8');
  }

  /** The next bytes that the program says; null at the end. */
  async chunk(): Promise<Buffer | null> {
    const unread = this.#unread;
    if (unread.length > 0) {
      this.#unread = Buffer.alloc(0);
      return unread;
    }
    try {
      const { value, done } = await this.#patiently(this.#output.next());
      return done === true || !Buffer.isBuffer(value) ? null : value;
    } catch (error) {
      // So a stream says that it was torn down under its reader, by `kill`.
      if (errnoOf(error) === 'ERR_STREAM_PREMATURE_CLOSE') return null;
      throw error;
    }
  }

  /** Waits for the program to end; it may say no more than an answer's length. */
  async end(): Promise<ProgramEnd> {
    this.closeInput();
    const said: Buffer[] = [];
    for (let size = 0; ;) {
      const chunk = await this.chunk();
      if (chunk === null) break;
      said.push(chunk);
      size += chunk.length;
      if (size > MOST_ANSWER_BYTES) await this.kill();
    }
    const exit = await within(this.#timeoutMs, this.#exit);
    if (exit === null) {
      this.#isTooSlow = true;
      await this.kill();
    }
    const failure =
      exit === null || this.#isTooSlow
        ? `was killed, because nothing was heard of it for ${this.#timeoutMs} ms`
        : exit.failure;
    return { stdout: Buffer.concat(said).toString('utf8'), failure, stderr: this.#stderr.trim() };
  }

  /**
   * Ends the program and all that it started at once, and waits until that is so, or the kernel does not manage it. False if
   * it had ended by itself.
   */
  async kill(): Promise<boolean> {
    const isAlive = !this.#isOver;
    this.#signal();
    await within(this.#timeoutMs, this.#exit);
    return isAlive;
  }

  #signal(): void {
    const { pid } = this.#child;
    if (pid !== undefined && !this.#isOver) killGroup(pid);
    // A process that left the group must not keep the pipes open for ever.
    const { stdin, stdout, stderr } = streamsOf(this.#child);
    [stdin, stdout, stderr].forEach((stream) => stream.destroy());
  }

  async #patiently<T>(work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.#isTooSlow = true;
      this.#signal();
    }, this.#timeoutMs);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Runs an operation to its end. Throws AgentError for whatever is no result. */
export async function runOperation<T>(
  program: SlotsProgram,
  request: ProgramRequest,
  { result, input }: { readonly result: z.ZodType<T>; readonly input?: Uint8Array },
): Promise<T> {
  const running = RunningProgram.start(program, request);
  if (input !== undefined) await running.send(input);
  return resultOf(await running.end(), result, whatOf(program, request));
}

/** Exactly the bytes that a `read` asks for, or it throws AgentError. */
export async function* readBytes(
  program: SlotsProgram,
  request: Extract<ProgramRequest, { operation: 'read' }>,
  result: z.ZodType,
): AsyncGenerator<Uint8Array, void, undefined> {
  const what = whatOf(program, request);
  const limitGarbage = garbageLimit();
  const running = RunningProgram.start(program, request);
  try {
    running.closeInput();
    const line = await running.line();
    if (parseAnswer(line, result).kind === 'result') {
      let size = 0;
      for (;;) {
        const chunk = await running.chunk();
        if (chunk === null) break;
        size += chunk.length;
        if (size > request.length) break;
        yield chunk;
        limitGarbage(chunk.length);
      }
      if (size > request.length) await running.kill();
      const end = await running.end();
      if (size === request.length || (size < request.length && end.failure !== null)) {
        resultOf({ ...end, stdout: line }, result, what);
        return;
      }
      const got = size > request.length ? 'more' : String(size);
      throw new AgentError('agent/slots', `${what} gave ${got} of ${request.length} bytes`);
    }
    const end = await running.end();
    resultOf({ ...end, stdout: `${line}${end.stdout}` }, result, what);
  } finally {
    await running.kill();
  }
}

/** What a program that ended came to. Throws AgentError for whatever is no result. */
export function resultOf<T>(end: ProgramEnd, result: z.ZodType<T>, what: string): T {
  const answer = parseAnswer(end.stdout, result);
  const tail = end.stderr === '' ? '' : `: ${end.stderr}`;
  if (answer.kind === 'error') {
    throw new AgentError(CODES[answer.code], `${what}: ${answer.message}${tail}`);
  }
  if (end.failure !== null) {
    const said = answer.kind === 'garbage' && end.stdout !== '' ? ` and gave ${answer.why}` : '';
    throw new AgentError('agent/slots', `${what} ${end.failure}${said}${tail}`);
  }
  if (answer.kind === 'result') return answer.result;
  throw new AgentError('agent/slots', `${what} gave ${answer.why}${tail}`);
}

/** The words for an operation of a program. */
export function whatOf({ program: [file] }: SlotsProgram, request: ProgramRequest): string {
  return `${file}, ${request.operation}`;
}

function spawnGroup(file: string, args: readonly string[]): ChildProcess {
  try {
    return spawn(file, args, { stdio: 'pipe', detached: true });
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw new AgentError('agent/slots', `${file} cannot be run (${errno})`, { cause });
  }
}

/** Null if the work takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(resolve, ms, null);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function streamsOf({ stdin, stdout, stderr }: ChildProcess) {
  if (stdin === null || stdout === null || stderr === null) {
    throw new Error('a program was started without pipes');
  }
  return { stdin, stdout, stderr };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself.
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
