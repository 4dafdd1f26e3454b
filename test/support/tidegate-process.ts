import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { COMPILE_CACHE } from './compile-cache.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'bin', 'tidegate.ts');

export type ProcessResult = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs the real command in a process of its own. */
export function runTidegate(
  cwd: string,
  argv: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly nodeOptions?: readonly string[];
  } = {},
): Promise<ProcessResult> {
  const { env = {}, nodeOptions = [] } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeOptions, MAIN, ...argv], {
      cwd,
      env: { ...process.env, ...COMPILE_CACHE, XDG_STATE_HOME: join(cwd, 'xdg'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out: string[] = [];
    const err: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => out.push(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => err.push(text));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout: out.join(''), stderr: err.join('') });
    });
  });
}
