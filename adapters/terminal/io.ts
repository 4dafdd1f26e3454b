import type { openStorage } from '../storage/open.ts';
import type { AskSecret } from './ask-secret.ts';
import type { Confirm } from './confirm.ts';

export type Output = {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
};

/** All that a command may know of the world outside its arguments; only bin/process-io.ts builds the real one. */
export type Io = {
  /** Results only. */
  readonly stdout: Output;
  /** Progress, hints and errors. */
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths of arguments are resolved against this folder. */
  readonly cwd: string;
  /** The folder under which the standard places of the system lie, if not `/`. */
  readonly root?: string | undefined;
  readonly now: () => Date;
  /** Aborted when the person or the system asks the process to stop. */
  readonly signal: AbortSignal;
  /** What starts this program again: a file, and what comes before its own arguments; absent where it is no process of its own. */
  readonly program?: readonly string[] | undefined;
  /** How the storages that commands name are opened, if not as their URLs say. */
  readonly openStorage?: typeof openStorage | undefined;
  /** Passphrases and PINs are asked here; absent where nobody sits at a terminal. */
  readonly askSecret?: AskSecret | undefined;
  /** Asks whether to go on; absent where nobody sits at a terminal. */
  readonly confirm?: Confirm | undefined;
};
