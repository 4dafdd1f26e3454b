import { ExpectedError } from '../../core/errors.ts';

/** Why an audit log is not believed. */
export class AuditError extends ExpectedError<
  /** It is not as it was written, or not the one that a witness saw. */
  | 'audit/broken'
  /** The repository is no witness: it names no log, or it may be an old state of itself. */
  | 'audit/witness'
> {}
