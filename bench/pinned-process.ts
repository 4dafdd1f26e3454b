import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import type { Env } from './measured-process.ts';

/** What is measured, and what measures it: the load generator must not take time from the server. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

const KILL_AFTER_MS = 15_000;
/** `USER_HZ`, in which the kernel tells times; 100 on every Linux that Node runs on. */
const TICK_MS = 10;

export type Pinned = AsyncDisposable & { readonly child: ChildProcess; readonly pid: number };

type Where = {
  readonly cwd: string;
  readonly env?: Env;
  readonly withIpc?: boolean;
  /** What it writes to stderr is thrown away. */
  readonly isQuiet?: boolean;
};

/** Runs a script of Node on one core; what it writes to stderr goes to ours, and its end is part of disposing. */
export function startPinned(core: number, argv: readonly string[], where: Where): Pinned {
  return startProgram(core, [process.execPath, ...argv], where);
}

/** Runs any program like that. */
export function startProgram(
  core: number,
  argv: readonly string[],
  { cwd, env = {}, withIpc = false, isQuiet = false }: Where,
): Pinned {
  if (availableParallelism() < 2) throw new Error('this bench needs two cores');
  const child = spawn('taskset', ['--cpu-list', String(core), ...argv], {
    cwd,
    env: { ...process.env, XDG_STATE_HOME: cwd, ...env },
    stdio: [
      ...(['ignore', 'pipe', isQuiet ? 'ignore' : 'inherit'] as const),
      ...(withIpc ? (['ipc'] as const) : []),
    ],
  });
  const exit = once(child, 'exit');
  if (child.pid === undefined) throw new Error('taskset is not on PATH');
  return {
    child,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      await exit;
      clearTimeout(kill);
    },
  };
}

/** The first line that the process prints, or an error if it ends before. */
export async function firstLine({ child }: Pinned): Promise<string> {
  if (child.stdout === null) throw new Error('the output of the process is not read');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('the process ended before it was ready');
}

/** Time that the process, and those of its children that have ended, have spent on a core since its start. */
export function cpuMs({ pid }: Pick<Pinned, 'pid'>): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold anything; the 14th to 17th fields are counted from its end.
  const ticks = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15);
  return ticks.reduce((sum, count) => sum + Number(count), 0) * TICK_MS;
}

/** The processes that it has started and that have not ended. */
export function childrenOf({ pid }: Pick<Pinned, 'pid'>): readonly string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ');
}

export function rssMiB({ pid }: Pick<Pinned, 'pid'>): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
