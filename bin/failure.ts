import { ExpectedError } from '../core/errors.ts';
import type { VerifyErrorCode } from '../repo-tools/verify/finding.ts';

const FAILED = 1;
/** Exit code of a command line that makes no sense. */
export const CALLED_WRONGLY = 2;

/** A monitor tells by them what to do; the numbers are those of Bottlerocket's repo-canary. */
const OF_VERIFY: Readonly<Record<VerifyErrorCode, number>> = {
  'verify/root': 64,
  'verify/metadata': 65,
  'verify/profile': 65,
  'verify/version': 66,
  'verify/transport': 67,
  'verify/expired': 68,
  'verify/missing-metadata': 69,
  'verify/rollback': 70,
  'verify/target-missing': 71,
  'verify/target': 72,
  'verify/expires-soon': 73,
};
/** Units and scripts ask `agent on-trial`, and "no" is no failure. */
const ANSWERED_NO = 3;
const OWN_EXIT_CODES: ReadonlyMap<string, number> = new Map([
  ...Object.entries(OF_VERIFY),
  ['agent/not-on-trial', ANSWERED_NO] as const,
]);

export type Failure = { readonly exitCode: number; readonly lines: readonly string[] };

/** The one place where errors become exit codes: 1 failed, 2 called wrongly (`usage/…`), 3 no, 64 to 73 `repo verify`. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ExpectedError) {
    return {
      exitCode: exitCodeOf(error),
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

function exitCodeOf({ code }: ExpectedError): number {
  if (code.startsWith('usage/')) return CALLED_WRONGLY;
  return OWN_EXIT_CODES.get(code) ?? FAILED;
}
