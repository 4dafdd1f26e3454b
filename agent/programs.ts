import { execFile } from 'node:child_process';
import { AgentError } from './errors.ts';

/** A program and its arguments; no shell is between. */
export type Program = readonly [string, ...string[]];

export type Finished = { readonly isGood: boolean; readonly message: string };

/** As much of the end of what a program said as is kept. */
const TAIL_LENGTH = 1000;
const MOST_OUTPUT_BYTES = 10 * 1024 * 1024;

/**
 * Runs a program to its end and says whether it exited with 0, with the tail of what it wrote. One that lasts longer than
 * `timeoutMs` is killed and was not good. Throws `agent/stopped` when `signal` is aborted.
 */
export async function runProgram(
  [file, ...args]: Program,
  {
    timeoutMs,
    signal,
    env = {},
  }: {
    readonly timeoutMs: number;
    readonly signal?: AbortSignal | undefined;
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const options = {
      timeout: timeoutMs,
      killSignal: 'SIGKILL' as const,
      maxBuffer: MOST_OUTPUT_BYTES,
      env: { ...process.env, ...env },
      ...(signal === undefined ? {} : { signal }),
    };
    execFile(file, args, options, (error, stdout, stderr) => {
      if (signal?.aborted === true) {
        reject(new AgentError('agent/stopped', `stopped while ${file} ran`, { cause: error }));
        return;
      }
      const tail = `${stdout}${stderr}`.trim().slice(-TAIL_LENGTH);
      if (error === null) resolve({ isGood: true, message: tail });
      else
        resolve({
          isGood: false,
          message: `${whyOf(file, error, timeoutMs)}${tail === '' ? '' : `: ${tail}`}`,
        });
    });
  });
}

function whyOf(
  file: string,
  error: {
    readonly code?: string | number | null | undefined;
    readonly killed?: boolean | undefined;
    readonly signal?: string | null | undefined;
  },
  timeoutMs: number,
): string {
  if (error.killed === true) return `${file} was killed after ${timeoutMs} ms`;
  if (typeof error.code === 'number') return `${file} exited with ${error.code}`;
  if (typeof error.signal === 'string') return `${file} was ended by ${error.signal}`;
  return `${file} cannot be run (${error.code ?? 'unknown'})`;
}
