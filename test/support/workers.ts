import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** Disposing kills it, so that a test that fails leaves no process behind. */
export type Worker = AsyncDisposable & {
  /** The lines that it has printed so far. */
  readonly lines: readonly string[];
  /** Resolves when it has printed this many lines or has ended. */
  printed(count: number): Promise<void>;
  kill(): void;
  /** Waits for its end; throws unless it ended well or was killed by `kill`. */
  ended(): Promise<void>;
};

/** Starts `storage-worker.ts` as a process of its own; `wrapper` is a command line put before it. */
export function startStorageWorker(
  args: readonly string[],
  {
    env = {},
    wrapper = [],
  }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly wrapper?: readonly string[];
  } = {},
): Worker {
  const script = join(import.meta.dirname, 'storage-worker.ts');
  const [command = process.execPath, ...before] = wrapper;
  const node = wrapper.length === 0 ? [] : [process.execPath];
  const child = spawn(command, [...before, ...node, script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
  });
  const lines: string[] = [];
  let unfinished = '';
  let complaints = '';
  let wasKilled = false;
  const closed = once(child, 'close');
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (unfinished + text).split('\n');
    unfinished = parts.pop() ?? '';
    lines.push(...parts);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  function kill(): void {
    wasKilled = true;
    child.kill('SIGKILL');
  }

  return {
    lines,
    printed: async (count) => {
      while (lines.length < count && child.exitCode === null && child.signalCode === null) {
        await Promise.race([once(child.stdout, 'data'), closed]);
      }
    },
    kill,
    [Symbol.asyncDispose]: async () => {
      kill();
      await closed;
    },
    ended: async () => {
      await closed;
      if (child.exitCode !== 0 && !(wasKilled && child.signalCode === 'SIGKILL')) {
        throw new Error(`${args.join(' ')} ended with ${child.exitCode}: ${complaints}`);
      }
    },
  };
}
