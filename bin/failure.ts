import { ExpectedError } from '../core/errors.ts';

const FAILED = 1;
/** Exit code of a command line that makes no sense. */
export const CALLED_WRONGLY = 2;

export type Failure = { readonly exitCode: number; readonly lines: readonly string[] };

/** The one place where errors become exit codes: 1 it failed, 2 it was called wrongly (`usage/…`). */
export function failureOf(error: unknown): Failure {
  if (error instanceof ExpectedError) {
    return {
      exitCode: error.code.startsWith('usage/') ? CALLED_WRONGLY : FAILED,
      lines: [
        `tidegate: error: ${error.message}`,
        ...error.hints.map((hint) => `tidegate: hint: ${hint}`),
      ],
    };
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    exitCode: FAILED,
    lines: ['tidegate: error: this is a bug in tidegate, please report it', detail],
  };
}
