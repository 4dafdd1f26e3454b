import type { Kysely } from 'kysely';
import type { TranslateError } from './attempt.ts';
import type { Tables } from './tables.ts';

/** The database under a state, for what is done with all of it at once. Opening it changes nothing. */
export type StateTables = AsyncDisposable & {
  readonly db: Kysely<Tables>;
  /** The database's name in messages, without credentials. */
  readonly source: string;
  readonly translate: TranslateError;
};
