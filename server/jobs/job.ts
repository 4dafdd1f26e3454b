import type { Logger } from 'pino';
import { ExpectedError } from '../../core/errors.ts';

/** Calls back once after `ms`; returns how to call it off. */
export type StartTimer = (callback: () => void, ms: number) => () => void;

export type JobOptions = {
  readonly name: string;
  readonly run: () => Promise<void>;
  readonly everyMs: number;
  readonly log: Logger;
  readonly onFailure: (name: string) => void;
  /** The first run that works after one or more that failed. */
  readonly onRecovery: (name: string) => void;
  readonly startTimer: StartTimer;
};

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 15_000;

/** How long to wait after this many failures in a row (1 or more); doubles up to 15 s. */
export function retryDelayMs(failures: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
}

/** Work that is done again and again, never twice at the same time. What it throws is logged, and it is tried again soon. */
export class Job {
  readonly #options: JobOptions;
  #underWay: Promise<void> | null = null;
  #isWanted = false;
  #isStarted = false;
  #failures = 0;
  #cancel: () => void = () => {};

  constructor(options: JobOptions) {
    this.#options = options;
  }

  /** Runs at once, then every `everyMs` after the end of the run before. */
  start(): void {
    this.#isStarted = true;
    this.wake();
  }

  /** Runs as soon as possible: now, or once more when the present run is over. Before the start it does nothing. */
  wake(): void {
    if (!this.#isStarted) return;
    this.#isWanted = true;
    if (this.#underWay === null) this.#underWay = this.#work();
  }

  /** Resolves when no run is under way, and none will be. */
  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#isWanted = false;
    this.#cancel();
    await this.#underWay;
  }

  async #work(): Promise<void> {
    this.#cancel();
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#runOnce();
    }
    this.#underWay = null;
    if (!this.#isStarted) return;
    const { everyMs, startTimer } = this.#options;
    const delayMs = this.#failures === 0 ? everyMs : retryDelayMs(this.#failures);
    this.#cancel = startTimer(() => {
      this.wake();
    }, delayMs);
  }

  async #runOnce(): Promise<void> {
    const { name, run, log, onFailure, onRecovery } = this.#options;
    try {
      await run();
      if (this.#failures === 0) return;
      log.info({ job: name, failures: this.#failures }, 'job works again');
      this.#failures = 0;
      onRecovery(name);
    } catch (error) {
      this.#failures += 1;
      onFailure(name);
      // A failure that was not foreseen is a bug, which somebody must look at.
      const level = error instanceof ExpectedError ? 'warn' : 'error';
      log[level]({ job: name, failures: this.#failures, err: error }, 'job failed');
    }
  }
}
