import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import type { AgentConfig } from './config.ts';
import { onDisk } from './on-disk.ts';
import { AgentError } from './errors.ts';
import { runProgram } from './programs.ts';
import type { Finished, Program } from './programs.ts';

const WELL: Finished = { isGood: true, message: '' };

/** For what systemd knows by itself. */
const ANSWER_MS = 10_000;

/**
 * Whether all that is to prove it says that the host is well, one after the other until one does not: the systemd unit is
 * active, each program of the folder in order of name exits with 0, and so does the command. `timeoutMs` is for all of them.
 * Throws `agent/stopped` where a shutdown took away what was waited for.
 */
export async function checkHealth(
  { unit, folder, command, timeoutMs }: AgentConfig['health'],
  signal?: AbortSignal,
  systemctl = 'systemctl',
): Promise<Finished> {
  const deadline = performance.now() + timeoutMs;
  const leftMs = () => Math.max(1, Math.ceil(deadline - performance.now()));
  if (unit !== null) {
    const started = await startUnit(unit, { systemctl, timeoutMs, signal });
    if (!started.isGood) return started;
  }
  const programs: readonly Program[] = [
    ...(folder === null ? [] : await programsOf(folder)),
    ...(command === null ? [] : [command]),
  ];
  for (const program of programs) {
    const finished = await runProgram(program, { timeoutMs: leftMs(), signal });
    if (!finished.isGood) return finished;
  }
  return WELL;
}

/** `start` waits until the unit is there or failed; of one that is there already it makes nothing. */
async function startUnit(
  unit: string,
  {
    systemctl,
    timeoutMs,
    signal,
  }: {
    readonly systemctl: string;
    readonly timeoutMs: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Finished> {
  const ask = (...args: readonly string[]) =>
    runProgram([systemctl, ...args], { timeoutMs: ANSWER_MS, signal });
  const started = await runProgram([systemctl, 'start', unit], { timeoutMs, signal });
  if (started.isGood) return started;
  // What a shutdown cancels is no sign of bad health: the next boot finds out.
  if ((await ask('is-system-running')).message.endsWith('stopping')) {
    throw new AgentError('agent/stopped', `the host shut down while it waited for ${unit}`);
  }
  const failed = await ask('list-units', '--failed', '--plain', '--no-legend', '--no-pager');
  return { isGood: false, message: `${started.message}\n${failed.message}`.trim() };
}

/** Executable files, but for hidden ones. A folder that is not there holds none. */
async function programsOf(folder: string): Promise<readonly Program[]> {
  return onDisk(`reading ${folder}`, async () => {
    const names = await readdir(folder).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    });
    const paths = names
      .filter((name) => !name.startsWith('.'))
      .toSorted()
      .map((name) => join(folder, name));
    const isProgram = await Promise.all(paths.map(isExecutable));
    return paths.filter((_, index) => isProgram[index]).map((path): Program => [path]);
  });
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
