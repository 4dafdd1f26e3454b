import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io } from '../../adapters/terminal/io.ts';
import { runCli } from '../../bin/cli.ts';

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** A folder with the command line in it, as a person would use it; gone when it is disposed. */
export class Workplace implements AsyncDisposable {
  readonly folder: string;
  now = new Date('2026-03-01T12:00:00Z');
  readonly env: Record<string, string>;
  /** Where repositories are, if not in the folder. */
  openStorage: Io['openStorage'];
  /** Whoever sits at the terminal, if anybody does. */
  confirm: Io['confirm'];
  /** Told everything that a command writes to stdout, as it does; null is a pipe. */
  terminal: ((text: string) => void) | null = null;
  /** Asks the command under way to stop. */
  stop = new AbortController();

  constructor(folder: string) {
    this.folder = folder;
    this.env = { USER: 'operator', XDG_STATE_HOME: join(folder, 'xdg') };
  }

  /** Runs one command in this process, with this workplace's clock. */
  async run(...argv: readonly string[]): Promise<Ran> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runCli(argv, {
      stdout: {
        isTTY: this.terminal !== null,
        write: (text) => {
          out.push(text);
          this.terminal?.(text);
        },
      },
      stderr: { write: (text) => err.push(text) },
      env: this.env,
      cwd: this.folder,
      now: () => this.now,
      signal: this.stop.signal,
      openStorage: this.openStorage,
      confirm: this.confirm,
    });
    return { code, stdout: out.join(''), stderr: err.join('') };
  }

  /** As `run`; a command that fails fails the test with what it said. */
  async must(...argv: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...argv);
    if (code !== 0) throw new Error(`tidegate ${argv.join(' ')}: exit ${code}: ${stderr}`);
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function makeWorkplace(): Promise<Workplace> {
  return new Workplace(await mkdtemp(join(tmpdir(), 'tidegate-cli-')));
}
