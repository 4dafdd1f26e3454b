import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import type { PowerFailHost } from './host.ts';
import { CHANGING_CALLS, READING_CALLS, readRecording, RECORDED_CALLS } from './operations.ts';
import type { Call, Recording } from './operations.ts';

const PROGRAM = join(import.meta.dirname, 'agent-program.ts');

export type Ended = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs `agent once` of the host under strace with these arguments, all its file calls in one thread. */
function underStrace(
  host: PowerFailHost,
  parameters: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const argv = ['-f', ...parameters, process.execPath, ...agentOf(host.world.configFile)];
  return ended('strace', argv, { ...envOf(host), ...env });
}

/** Runs `agent once` of the host by itself, with another configuration and environment. */
export function runAgent(
  host: PowerFailHost,
  configFile: string,
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  return ended(process.execPath, agentOf(configFile), { ...envOf(host), ...env });
}

function agentOf(configFile: string): readonly string[] {
  return [PROGRAM, '--config', configFile, '--json'];
}

function envOf(host: PowerFailHost): Readonly<Record<string, string | undefined>> {
  return {
    PATH: process.env['PATH'],
    NOW: host.world.now.toISOString(),
    ...COMPILE_CACHE,
    // One counter of strace, which has one for each thread, then counts them all.
    UV_THREADPOOL_SIZE: '1',
    UV_USE_IO_URING: '0',
    // Large memory always begins at the same place of a page: where a direct read may go is found out in as many calls each time.
    GLIBC_TUNABLES: 'glibc.malloc.mmap_threshold=131072',
  };
}

async function ended(
  program: string,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<Ended> {
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  }
  await once(child, 'close');
  return { code: child.exitCode, signal: child.signalCode, ...said };
}

/** Runs the agent undisturbed, and says what it did to the files of the host. */
export async function recordAgent(
  host: PowerFailHost,
): Promise<Recording & { readonly ended: Ended }> {
  const [log, stepsFile] = [join(host.world.folder, 'strace'), join(host.world.folder, 'steps')];
  const end = await underStrace(
    host,
    [
      ...['--seccomp-bpf', '-y', '-xx', '-s', '10000000', '-o', log],
      ...['-e', `trace=${RECORDED_CALLS.join(',')}`],
    ],
    { STEPS_FILE: stepsFile },
  );
  if (end.stdout === '') throw new Error(end.stderr);
  const text = await readFile(log, 'latin1');
  await rm(log);
  await rm(stepsFile, { force: true });
  return { ...readRecording(text, { folder: host.folder, stepsFile }), ended: end };
}

/** Runs the agent on a system that takes half of each write. Throws if none was short. */
export async function runWithShortWrites(host: PowerFailHost): Promise<Ended> {
  const end = await underStrace(host, ['-o', '/dev/null', '-e', 'trace=none'], {
    SHORT_WRITES: 'true',
  });
  if (!/^[1-9]\d* short writes$/m.test(end.stderr)) throw new Error(end.stderr);
  return end;
}

/** Runs an agent that is killed when it asks the system to boot, and leaves that without an order. Throws if it does not ask. */
export async function runToDeath(host: PowerFailHost): Promise<Ended> {
  await host.setDeadly(true);
  const end = await underStrace(host, ['-o', '/dev/null', '-e', 'trace=none'], {});
  await host.setDeadly(false);
  if (end.signal !== 'SIGKILL') throw new Error(end.stderr);
  return end;
}

/** What is to happen to a call, in the words of strace's `inject`, and whether it happens to all calls after it too. */
export type Fault = { readonly what: string; readonly lasts: boolean };

/**
 * Runs the agent and disturbs it at one of the calls that were recorded of it, all of which change files or all read them.
 * Throws if it did not get there.
 */
export async function disturbAgent(
  host: PowerFailHost,
  calls: readonly Call[],
  { at, what, lasts }: Fault & { readonly at: number },
): Promise<Ended> {
  const call = calls[at];
  if (call === undefined) throw new Error(`there is no call ${at}`);
  const { name, path, from, thread } = call;
  const before = calls.slice(0, at).filter((other) => other.thread === thread);
  // strace counts the calls of each name for themselves, among those on the paths that it is told.
  const injections = lasts
    ? CHANGING_CALLS.map((of) => {
        const count = before.filter((other) => other.name === of).length;
        return `${of}:${what}:when=${count + 1}+`;
      })
    : [
        `${name}:${what}:when=${before.filter((other) => other.name === name && other.path === path).length + 1}`,
      ];
  // Of a renaming it knows the path before alone.
  const watched = (lasts ? calls : [{ path, from }]).map((other) => other.from ?? other.path);
  const log = join(host.world.folder, 'strace');
  const end = await underStrace(
    host,
    [
      // Between a seccomp filter and a call no signal can be delivered.
      ...(what.startsWith('signal=') ? [] : ['--seccomp-bpf']),
      ...['-o', log, '-e', `trace=${[...CHANGING_CALLS, ...READING_CALLS].join(',')}`],
      ...[...new Set(watched)].flatMap((of) => [
        '-P',
        of === '.' ? host.folder : join(host.folder, of),
      ]),
      ...injections.flatMap((injection) => ['-e', `inject=${injection}`]),
    ],
    {},
  );
  const text = await readFile(log, 'utf8');
  await rm(log);
  if (!text.includes('(INJECTED)') && end.signal === null) {
    throw new Error(`nothing was disturbed at ${name} of ${path}: ${end.stderr}`);
  }
  return end;
}
