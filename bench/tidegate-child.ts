// One command of tidegate in a process of its own, which then prints what it took: time without the start of Node, which
// no baseline here has either, and the peak of its memory.
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { runCli } from '../bin/cli.ts';

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
const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
process.stdout.write(`${JSON.stringify({ ms, peakRssMiB: Number(kib) / 1024 })}\n`);
