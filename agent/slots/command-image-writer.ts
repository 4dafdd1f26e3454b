import { AgentError } from '../errors.ts';
import { RunningProgram, resultOf, whatOf } from './command-program.ts';
import type { SlotsProgram } from './command-program.ts';
import { doneResult } from './command-protocol.ts';
import type { ProgramRequest } from './command-protocol.ts';
import type { ImageWriter } from './slots.ts';

type WriteRequest = Extract<ProgramRequest, { operation: 'write' }>;

/** Streams an image of exactly `size` bytes into a program; it is killed wherever the image is begun anew or given up. */
export class ProgramImageWriter implements ImageWriter {
  readonly #program: SlotsProgram;
  readonly #request: WriteRequest;
  #running: RunningProgram;
  #written = 0;

  constructor(program: SlotsProgram, image: Omit<WriteRequest, 'operation'>) {
    this.#program = program;
    this.#request = { operation: 'write', ...image };
    this.#running = RunningProgram.start(program, this.#request);
  }

  async write(chunk: Uint8Array): Promise<void> {
    const { image, size } = this.#request;
    if (this.#written + chunk.length > size) {
      throw new AgentError('agent/image', `image ${image} takes ${size} bytes, got more`);
    }
    // A program that takes no more has ended, and says why.
    if (!(await this.#running.send(chunk))) {
      await this.#conclude();
      const what = whatOf(this.#program, this.#request);
      throw new AgentError('agent/slots', `${what} ended before it had taken the image`);
    }
    this.#written += chunk.length;
  }

  async restart(): Promise<void> {
    await this.#running.kill();
    this.#written = 0;
    this.#running = RunningProgram.start(this.#program, this.#request);
  }

  async finish(): Promise<void> {
    const { image, size } = this.#request;
    if (this.#written !== size) {
      throw new AgentError(
        'agent/image',
        `image ${image} must have ${size} bytes, got ${this.#written}`,
      );
    }
    await this.#conclude();
  }

  async abandon(): Promise<void> {
    await this.#running.kill();
  }

  async #conclude(): Promise<void> {
    resultOf(await this.#running.end(), doneResult, whatOf(this.#program, this.#request));
  }
}
