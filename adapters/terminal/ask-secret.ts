import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { ExpectedError } from '../../core/errors.ts';
import type { Output } from './io.ts';

/** The person answered a question with Ctrl-C, with the end of input, or the process was asked to stop. */
export class AskError extends ExpectedError<'ask/refused'> {}

/** Asks one question on the terminal; the answer is never shown. Throws AskError when the person declines. */
export type AskSecret = (question: string) => Promise<string>;

/** What is needed of standard input. */
export type TerminalInput = Readable & {
  readonly isTTY?: boolean | undefined;
  setRawMode?(raw: boolean): unknown;
};

type Typed = { readonly answer: string; readonly rest: string };

/** A prompt on the terminal, or undefined if standard input and error are not both one: a pipe must never wait here. */
export function terminalSecrets({
  stdin,
  stderr,
  signal,
}: {
  readonly stdin: TerminalInput;
  readonly stderr: Output;
  readonly signal: AbortSignal;
}): AskSecret | undefined {
  if (stdin.isTTY !== true || stderr.isTTY !== true) return undefined;
  // Lines that were typed or pasted ahead answer the next question.
  let ahead = '';
  return async (question) => {
    stdin.setRawMode?.(true);
    stderr.write(`${question}: `);
    try {
      const { answer, rest } = await readAnswer(stdin, ahead, signal);
      ahead = rest;
      return answer;
    } finally {
      // The echo of the terminal comes back whatever happened.
      stdin.setRawMode?.(false);
      stdin.pause();
      stderr.write('\n');
    }
  };
}

function readAnswer(stdin: Readable, ahead: string, signal: AbortSignal): Promise<Typed> {
  const { promise, resolve, reject } = Promise.withResolvers<Typed>();
  const decoder = new StringDecoder('utf8');
  let typed: string[] = [];
  const refuse = () => {
    reject(new AskError('ask/refused', 'no passphrase or PIN was given'));
  };
  const take = (text: string) => {
    for (const [index, character] of Array.from(text).entries()) {
      switch (character) {
        case '\r':
        case '\n':
          resolve({
            answer: typed.join(''),
            rest: Array.from(text)
              .slice(index + 1)
              .join(''),
          });
          return;
        // Ctrl-C and Ctrl-D come as characters in raw mode.
        case '\u0003':
        case '\u0004':
          refuse();
          return;
        case '\u0008':
        case '\u007f':
          typed = typed.slice(0, -1);
          break;
        // Ctrl-U: start again.
        case '\u0015':
          typed = [];
          break;
        default:
          typed.push(character);
      }
    }
  };
  const onData = (chunk: Buffer) => {
    take(decoder.write(chunk));
  };
  stdin.on('data', onData).once('end', refuse).once('close', refuse);
  signal.addEventListener('abort', refuse);
  if (signal.aborted || stdin.readableEnded) refuse();
  else {
    take(ahead);
    stdin.resume();
  }
  return promise.finally(() => {
    stdin.off('data', onData).off('end', refuse).off('close', refuse);
    signal.removeEventListener('abort', refuse);
  });
}
