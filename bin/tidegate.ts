import { terminalSecrets } from '../adapters/terminal/ask-secret.ts';
import { terminalConfirm } from '../adapters/terminal/confirm.ts';
import { runCli } from './cli.ts';

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

const terminal = { stdin: process.stdin, stderr: process.stderr, signal: stop.signal };
process.exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  now: () => new Date(),
  signal: stop.signal,
  askSecret: terminalSecrets(terminal),
  confirm: terminalConfirm(terminal),
});
