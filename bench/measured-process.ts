import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { z } from 'zod';

const CHILD = join(import.meta.dirname, 'tidegate-child.ts');

const measuredSchema = z.object({ ms: z.number(), peakRssMiB: z.number() });

/** `ms` is the command without the start of Node; `wholeMs` is what a person waits for. */
export type Measured = z.infer<typeof measuredSchema> & { readonly wholeMs: number };

/** Variables beside those of this process. */
export type Env = Readonly<Record<string, string>>;

/** Runs a command of tidegate in a process of its own; throws unless it exits with 0. */
export async function measureTidegate(
  cwd: string,
  argv: readonly string[],
  env: Env = {},
): Promise<Measured> {
  return measureChild(cwd, CHILD, argv, env);
}

/** Runs a script that prints `ms` and `peakRssMiB` as JSON; throws unless it exits with 0. */
export async function measureChild(
  cwd: string,
  script: string,
  argv: readonly string[],
  env: Env = {},
): Promise<Measured> {
  const { ms: wholeMs, stdout } = await measure(cwd, process.execPath, [script, ...argv], env);
  return { ...measuredSchema.parse(JSON.parse(stdout)), wholeMs };
}

/** Runs any program from start to end; throws unless it exits with 0. */
export async function measureProgram(
  cwd: string,
  program: string,
  argv: readonly string[],
): Promise<number> {
  return (await measure(cwd, program, argv)).ms;
}

async function measure(
  cwd: string,
  program: string,
  argv: readonly string[],
  env: Env = {},
): Promise<{ readonly ms: number; readonly stdout: string }> {
  const started = performance.now();
  const child = spawn(program, argv, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on('data', (chunk) => out.push(String(chunk)));
  child.stderr.on('data', (chunk) => err.push(String(chunk)));
  await once(child, 'close');
  const ms = performance.now() - started;
  if (child.exitCode !== 0) throw new Error(`${program} ${argv.join(' ')}: ${err.join('')}`);
  return { ms, stdout: out.join('') };
}
