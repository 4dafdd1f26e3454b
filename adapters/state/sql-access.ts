import type { Kysely, Transaction } from 'kysely';
import { RecentFailures } from '../../core/recent-failures.ts';
import { attempt } from './attempt.ts';
import type { TranslateError } from './attempt.ts';
import { StateError } from './state.ts';
import type { StateErrorCode } from './state.ts';
import type { Tables } from './tables.ts';

export type SqlAccessOptions = {
  readonly db: Kysely<Tables>;
  readonly source: string;
  readonly translate: TranslateError;
  readonly waitMs: number;
  /** One transaction that does not wait for the disk: a power cut may undo it, but nothing that was committed before. */
  readonly loosely: InTransaction;
};

/** Runs work in a transaction. */
export type InTransaction = <T>(
  db: Kysely<Tables>,
  work: (transaction: Transaction<Tables>) => Promise<T>,
) => Promise<T>;

/** Failures that say nothing of the next try. */
const PASSING: ReadonlySet<string> = new Set<StateErrorCode>(['state/busy', 'state/conflict']);

/** How a state reads and changes its database: what fails is translated, and what cannot be written is remembered. */
export class SqlAccess {
  readonly #options: SqlAccessOptions;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #failures = new RecentFailures<StateError>();
  #lastWriter: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: SqlAccessOptions) {
    this.#options = options;
  }

  get failingWrite(): StateError | null {
    return this.#failures.last(performance.now());
  }

  async run<T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    const { db, source } = this.#options;
    if (this.#isClosed) throw new StateError('state/unavailable', `${source} is closed`);
    const running = attempt(() => work(db), this.#options);
    this.#underWay.add(running);
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  /**
   * One transaction; `kind` says what it writes. Writers wait for each other here, so that they leave the connections of an
   * engine that has several to readers.
   */
  change<T>(kind: string, work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T> {
    return this.#write(kind, inTransaction, work);
  }

  /** The same for what may be lost at a power cut. */
  changeLoosely<T>(
    kind: string,
    work: (transaction: Transaction<Tables>) => Promise<T>,
  ): Promise<T> {
    return this.#write(kind, this.#options.loosely, work);
  }

  async #write<T>(
    kind: string,
    transact: InTransaction,
    work: (transaction: Transaction<Tables>) => Promise<T>,
  ): Promise<T> {
    try {
      const result = await this.run((db) => {
        const turn = this.#lastWriter.then(() => transact(db, work));
        this.#lastWriter = turn.catch(() => {});
        return turn;
      });
      this.#failures.worked(kind);
      return result;
    } catch (error) {
      if (error instanceof StateError && !PASSING.has(error.code)) {
        this.#failures.failed(kind, error, performance.now());
      }
      throw error;
    }
  }

  /** Waits for what is under way, and refuses what comes later. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#underWay);
    await this.#options.db.destroy();
  }
}

/** Every dialect lets one writer in at a time, before it reads, since the work reads what it builds on. */
export function inTransaction<T>(
  db: Kysely<Tables>,
  work: (transaction: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  return db.transaction().execute(work);
}
