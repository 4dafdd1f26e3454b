import { terminalSecrets } from '../adapters/terminal/ask-secret.ts';
import { runCli } from './cli.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stop.abort(signal);
  });
}

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  now: () => new Date(),
  signal: stop.signal,
  askSecret: terminalSecrets({
    stdin: process.stdin,
    stderr: process.stderr,
    signal: stop.signal,
  }),
});
