import { execFile } from 'node:child_process';
import { PackageError } from './errors.ts';

/**
 * Runs a program in an environment that is the same everywhere but for `PATH` and `env`, so that what it makes is the same too.
 * Throws `package/tool` with what the program said.
 */
export async function runTool(
  [program, ...parameters]: readonly [string, ...string[]],
  { cwd, env = {} }: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<string> {
  const fixed = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', TZ: 'UTC', ...env };
  return new Promise((resolve, reject) => {
    execFile(program, parameters, { cwd, env: fixed }, (cause, stdout, stderr) => {
      if (cause === null) {
        resolve(stdout);
        return;
      }
      const message = `${program} failed (${cause.code ?? cause.signal}): ${stdout}${stderr}`;
      reject(new PackageError('package/tool', message.trim(), { cause }));
    });
  });
}
