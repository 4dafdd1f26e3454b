import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '..', 'bin', 'tidegate.ts');
const STOP_MS = 10_000;

export type Finished = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** The processes of the demo: real `tidegate` commands, all of which end with it. */
export class Processes implements AsyncDisposable {
  readonly #cwd: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #running = new Set<ChildProcess>();

  constructor(cwd: string) {
    this.#cwd = cwd;
    // The demo's server must not be found by the person's own commands later.
    this.#env = { ...process.env, XDG_STATE_HOME: cwd, TIDEGATE_ACTOR: 'demo' };
  }

  /** Runs a command to its end. */
  async run(...args: readonly string[]): Promise<Finished> {
    const child = this.#spawn(args, ['ignore', 'pipe', 'pipe']);
    const [stdout, stderr, code] = await Promise.all([
      collect(child.stdout),
      collect(child.stderr),
      ended(child),
    ]);
    return { code, stdout, stderr };
  }

  /** As `run`, but a command that fails ends the demo with what it said. */
  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`tidegate ${args.join(' ')} failed (${code}): ${stderr}`);
    return stdout.trim();
  }

  /** Starts a command that goes on; what it says goes to the log file. */
  start(logFile: string, ...args: readonly string[]): ChildProcess {
    const log = openSync(join(this.#cwd, logFile), 'a');
    const child = this.#spawn(args, ['ignore', log, log]);
    closeSync(log);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const children = [...this.#running];
    children.forEach((child) => child.kill('SIGTERM'));
    const timer = setTimeout(() => {
      children.forEach((child) => child.kill('SIGKILL'));
    }, STOP_MS);
    await Promise.all(children.map(ended));
    clearTimeout(timer);
  }

  #spawn(args: readonly string[], stdio: ('ignore' | 'pipe' | number)[]): ChildProcess {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.#cwd,
      env: this.#env,
      stdio,
      // A terminal's Ctrl-C goes to the demo alone, which then ends its children in order.
      detached: true,
    });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    return child;
  }
}

async function collect(stream: ChildProcess['stdout']): Promise<string> {
  if (stream === null) return '';
  return (await stream.setEncoding('utf8').toArray()).join('');
}

function ended(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve(child.exitCode ?? 1);
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}
