export type ExpectedErrorOptions = {
  readonly cause?: unknown;
  /** What the reader can do next; each hint is printed on a line of its own. */
  readonly hints?: readonly string[];
};

/**
 * A foreseen failure. `code` is `area/kind` from the subclass's closed union; the message says what, which
 * and got, in lower case and without a full stop. Everything else that is thrown is a bug.
 */
export class ExpectedError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly hints: readonly string[];

  constructor(code: Code, message: string, options: ExpectedErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hints = options.hints ?? [];
  }
}
