import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/temporary-folder.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'packaging', 'main.ts');

export type Ran = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs a program to its end, in an environment of its own. */
export function run(
  program: string,
  parameters: readonly string[],
  { cwd = '/', env = {} }: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const out: string[] = [];
    const err: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => out.push(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => err.push(text));
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout: out.join(''), stderr: err.join('') });
    });
  });
}

/** As `run`; throws with what the program said unless it exits with 0. */
export async function mustRun(
  program: string,
  parameters: readonly string[],
  options: Parameters<typeof run>[2],
): Promise<string> {
  const { code, stdout, stderr } = await run(program, parameters, options);
  if (code === 0) return stdout;
  throw new Error(`${[program, ...parameters].join(' ')}: exit ${code}: ${stdout}${stderr}`);
}

export type MadePackage = AsyncDisposable & {
  readonly folder: string;
  /** What `npm run package` said: a SHA-256 and a name on each line. */
  readonly said: string;
  readonly pathOf: (name: string) => string;
  /** The path of the Debian package. */
  readonly debPath: () => Promise<string>;
};

/** What `npm run package` makes, in a folder that goes with it; `mask` and `env` are how the machine is set up. */
export async function makePackage(
  options: readonly string[] = [],
  { mask = '022', env = {} }: { readonly mask?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<MadePackage> {
  const { path: folder, [Symbol.asyncDispose]: dispose } = await temporaryFolder();
  const command = `umask ${mask} && exec "$@"`;
  const said = await mustRun(
    '/bin/sh',
    ['-c', command, 'sh', process.execPath, MAIN, '--out', folder, ...options],
    { cwd: folder, env: { PATH: process.env['PATH'], ...env } },
  );
  return {
    ...{ folder, said },
    pathOf: (name) => join(folder, name),
    debPath: async () => {
      const [name] = (await readdir(folder)).filter((file) => file.endsWith('.deb'));
      if (name === undefined) throw new Error('no Debian package was asked for');
      return join(folder, name);
    },
    [Symbol.asyncDispose]: dispose,
  };
}
