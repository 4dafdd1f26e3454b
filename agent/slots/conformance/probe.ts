import { createHash } from 'node:crypto';
import { AgentError } from '../../errors.ts';
import { readBytes, RunningProgram } from '../command-program.ts';
import type { SlotsProgram } from '../command-program.ts';
import { doneResult, parseAnswer, stateResult } from '../command-protocol.ts';
import type {
  ProgramAnswer,
  ProgramErrorCode,
  ProgramRequest,
  ProgramState,
  SlotName,
} from '../command-protocol.ts';
import { must, violation } from './errors.ts';

type Done = ProgramAnswer<Record<string, never>>;

/**
 * When a program is killed: so long after it was sent all of its input and the input's end, or after the first `count` bytes
 * of it, with no end.
 */
export type Death =
  | { readonly kind: 'after'; readonly milliseconds: number }
  | { readonly kind: 'at-byte'; readonly count: number; readonly milliseconds: number };

/** Speaks with the program under test, and takes every answer that breaks the protocol for a violation. */
export class Probe {
  readonly #program: SlotsProgram;

  constructor(program: SlotsProgram) {
    this.#program = program;
  }

  async state(): Promise<ProgramState> {
    const running = RunningProgram.start(this.#program, { operation: 'state' });
    const { stdout, failure, stderr } = await running.end();
    const answer = parseAnswer(stdout, stateResult);
    if (answer.kind === 'result' && failure === null) return answer.result;
    throw violation(`state: ${problemOf(answer, failure, stderr)}`);
  }

  /** The operation must succeed. */
  async done(request: ProgramRequest, input?: Uint8Array): Promise<void> {
    const answer = await this.#finished(request, input);
    must(answer.kind === 'result', `${textOf(request)} failed: ${messageOf(answer)}`);
  }

  /** The operation must be refused, with this code if one is given. */
  async refused(
    request: ProgramRequest | string,
    { code, input }: { readonly code?: ProgramErrorCode; readonly input?: Uint8Array } = {},
  ): Promise<void> {
    const answer = await this.#finished(request, input);
    must(answer.kind === 'error', `${textOf(request)} must be refused, but succeeded`);
    const got = answer.kind === 'error' ? answer.code : '';
    must(
      code === undefined || got === code,
      `${textOf(request)} must be refused with ${code}, got ${got}`,
    );
  }

  /** Like `refused`, of a program that is sent nothing behind its request and still waits for nothing. */
  async refusedAtOnce(request: ProgramRequest, code: ProgramErrorCode): Promise<void> {
    const running = RunningProgram.start(this.#program, request);
    const answer = parseAnswer(await running.line(), doneResult);
    const { failure } = await running.end();
    must(
      answer.kind === 'error' && answer.code === code && failure !== null,
      `${textOf(request)} must be refused with ${code} before a byte of the image was read: ${problemOf(answer, failure, '')}`,
    );
  }

  /** Bytes of an image as the program reads them; anything but what was asked for is a violation. */
  async read(
    slot: SlotName,
    image: string,
    { offset, length }: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    return Buffer.concat(await Array.fromAsync(this.#bytes(slot, image, { offset, length })));
  }

  /** SHA-256 of a whole image, whatever its size. */
  async hashOf(slot: SlotName, image: string, size: number): Promise<string> {
    const hash = createHash('sha256');
    for await (const chunk of this.#bytes(slot, image, { offset: 0, length: size })) {
      hash.update(chunk);
    }
    return hash.digest('hex');
  }

  /** Kills the program, with all that it started, at one moment of the operation; false if it had ended before. */
  async killed(request: ProgramRequest, input: Uint8Array, death: Death): Promise<boolean> {
    const running = RunningProgram.start(this.#program, request);
    const count = death.kind === 'at-byte' ? death.count : input.length;
    await running.send(input.subarray(0, count));
    if (death.kind === 'after') running.closeInput();
    await after(death.milliseconds);
    return running.kill();
  }

  /** The operation is begun, and its input ends after these bytes only when `meanwhile` is over. */
  async during(
    request: ProgramRequest,
    input: Uint8Array,
    meanwhile: () => Promise<void>,
  ): Promise<void> {
    const running = RunningProgram.start(this.#program, request);
    try {
      await running.send(input);
      await meanwhile();
    } finally {
      await running.kill();
    }
  }

  async *#bytes(
    slot: SlotName,
    image: string,
    part: { readonly offset: number; readonly length: number },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* readBytes(this.#program, { operation: 'read', slot, image, ...part }, doneResult);
    } catch (error) {
      throw error instanceof AgentError ? violation(error.message) : error;
    }
  }

  async #finished(request: ProgramRequest | string, input?: Uint8Array): Promise<Done> {
    const running = RunningProgram.start(this.#program, request);
    if (input !== undefined) await running.send(input);
    const { stdout, failure, stderr } = await running.end();
    const answer = parseAnswer(stdout, doneResult);
    const isSound = answer.kind !== 'garbage' && (answer.kind === 'result') === (failure === null);
    must(isSound, `${textOf(request)}: ${problemOf(answer, failure, stderr)}`);
    return answer;
  }
}

/** Resolves after so long. */
async function after(milliseconds: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

function textOf(request: ProgramRequest | string): string {
  if (typeof request === 'string') return `the request ${JSON.stringify(request.slice(0, 100))}`;
  const { operation, ...rest } = request;
  return `${operation} ${JSON.stringify(rest)}`;
}

function messageOf(answer: ProgramAnswer<unknown>): string {
  return answer.kind === 'error' ? `${answer.code}, ${answer.message}` : answer.kind;
}

function problemOf(answer: ProgramAnswer<unknown>, failure: string | null, stderr: string): string {
  const tail = stderr === '' ? '' : `: ${stderr}`;
  if (answer.kind === 'garbage') {
    return `it gave ${answer.why}, and ${failure ?? 'exited with 0'}${tail}`;
  }
  return `it answered with ${answer.kind === 'error' ? `the error ${messageOf(answer)}` : 'a result'}, but ${failure ?? 'exited with 0'}${tail}`;
}
