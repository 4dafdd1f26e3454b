// One command of tidegate in a process of its own, which then prints what it took: time without the start of Node, which
// no baseline here has either, and the peak of its memory.
import { performance } from 'node:perf_hooks';
import { runCli } from '../bin/cli.ts';
import { peakRssMiB } from '../test/support/peak-rss.ts';

const silent = { write: () => undefined };
const started = performance.now();
process.exitCode = await runCli(process.argv.slice(2), {
  stdout: silent,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  now: () => new Date(),
  signal: new AbortController().signal,
});
const ms = performance.now() - started;
process.stdout.write(`${JSON.stringify({ ms, peakRssMiB: peakRssMiB() })}\n`);
