import { isSea } from 'node:sea';
import type { Io } from '../adapters/terminal/io.ts';

/** The world as this process sees it: its streams, environment, clock and signals. Called once, first of all. */
export function processIo(): Io {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      stop.abort(signal);
    });
  }
  // Behind `| head -1` nobody reads on. What was begun is finished all the same, and its exit code says how it ended.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    now: () => new Date(),
    signal: stop.signal,
    program: isSea()
      ? [process.execPath]
      : [process.execPath, ...process.execArgv, ...process.argv.slice(1, 2)],
  };
}
