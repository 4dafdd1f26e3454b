import type { Line } from './strace-log.ts';

/** Which calls are those of the agent and which those of programs, as strace saw threads and processes begin. */
export class Processes {
  /** Paths of the programs, in the order in which they were started. */
  readonly programs: string[] = [];
  readonly #runs = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly #clones: { readonly thread: string; readonly parent: string }[] = [];
  #agent: string | null = null;

  /** Of the next call: which program makes it, null for none, the how-manyeth of its name it is there, and how many were started. */
  count({ thread, name, flags, strings, result }: Line): {
    readonly process: number | null;
    readonly nth: number;
    readonly started: number;
  } {
    if (name === 'execve' && result === 0) this.#begin(thread, String(strings[0]));
    if (name.startsWith('clone') && flags.includes('CLONE_THREAD')) {
      this.#clones.push({ thread: String(result), parent: thread });
    }
    const process = this.#runs.get(thread) ?? null;
    const key = `${thread} ${process} ${name}`;
    const nth = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, nth);
    return { process, nth, started: this.programs.length };
  }

  /** To be asked when all calls were counted: what a thread does may be seen before its beginning. */
  isOfAgent(thread: string): boolean {
    if (thread === this.#agent) return true;
    const begun = this.#clones.find((clone) => clone.thread === thread);
    return begun !== undefined && this.isOfAgent(begun.parent);
  }

  #begin(thread: string, path: string): void {
    if (this.#agent === null) this.#agent = thread;
    else this.#runs.set(thread, this.programs.push(path) - 1);
  }
}
