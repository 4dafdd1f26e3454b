import { ExpectedError } from '../../../core/errors.ts';

/** A program does not do what `docs/slots.md` asks of it, or the test was called wrongly. */
export class ConformanceError extends ExpectedError<
  'conformance/violation' | 'conformance/failed' | 'usage/option'
> {}

export function violation(message: string): ConformanceError {
  return new ConformanceError('conformance/violation', message);
}

/** Throws `conformance/violation` unless `holds`. */
export function must(holds: boolean, message: string): void {
  if (!holds) throw violation(message);
}
