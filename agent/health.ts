import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import type { AgentConfig } from './config.ts';
import { onDisk } from './durable.ts';
import { runProgram } from './programs.ts';
import type { Finished, Program } from './programs.ts';

const WELL: Finished = { isGood: true, message: '' };

/**
 * Whether all that is to prove it says that the host is well, one after the other until one does not: the systemd unit is
 * active, each program of the folder in order of name exits with 0, and so does the command. `timeoutMs` is for all of them.
 */
export async function checkHealth(
  { unit, folder, command, timeoutMs }: AgentConfig['health'],
  signal?: AbortSignal,
): Promise<Finished> {
  const programs: readonly Program[] = [
    // `start` waits until the unit is there or failed; of one that is there already it makes nothing.
    ...(unit === null ? [] : [['systemctl', 'start', unit] as const]),
    ...(folder === null ? [] : await programsOf(folder)),
    ...(command === null ? [] : [command]),
  ];
  const deadline = performance.now() + timeoutMs;
  for (const program of programs) {
    const leftMs = Math.max(1, Math.ceil(deadline - performance.now()));
    const finished = await runProgram(program, { timeoutMs: leftMs, signal });
    if (!finished.isGood) return finished;
  }
  return WELL;
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
