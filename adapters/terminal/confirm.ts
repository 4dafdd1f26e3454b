import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { TerminalInput } from './ask-secret.ts';
import type { Output } from './io.ts';

/** Asks a question that is answered with yes or no; anything but a clear yes is a no. */
export type Confirm = (question: string) => Promise<boolean>;

/** Questions on the terminal, or undefined if standard input and error are not both one: a pipe must never wait here. */
export function terminalConfirm({
  stdin,
  stderr,
  signal,
}: {
  readonly stdin: TerminalInput;
  readonly stderr: Output;
  readonly signal: AbortSignal;
}): Confirm | undefined {
  if (stdin.isTTY !== true || stderr.isTTY !== true) return undefined;
  return async (question) => {
    stderr.write(`${question} [y/N] `);
    const lines = createInterface({ input: stdin });
    try {
      const ended = once(lines, 'close').then(() => '');
      const answer = await Promise.race([lines.question('', { signal }), ended]);
      return /^y(?:es)?$/i.test(answer.trim());
    } catch {
      // The process was asked to stop.
      return false;
    } finally {
      lines.close();
    }
  };
}
