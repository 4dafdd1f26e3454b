import { CompiledQuery } from 'kysely';
import type { DatabaseConnection, Driver, QueryResult, TransactionSettings } from 'kysely';
import type { Pool, PoolClient } from 'pg';
import { connectionError } from './postgres-errors.ts';
import { StateError } from './state.ts';

/** The lock of a schema: a database may hold several states, each in a schema of its own. */
export function lockKey(name: string): string {
  return `hashtextextended(current_schema() || '/tidegate/${name}', 0)`;
}

const BEGIN_READING = 'begin isolation level repeatable read read only';
const WAIT_FOR_WRITERS = `select pg_advisory_xact_lock(${lockKey('writer')})`;

/**
 * One transaction that writes at a time, as in SQLite: it then reads what it builds on without a doubt, and never has to
 * start again because of another one. Every statement sees what was committed before the lock was granted.
 */
export class OneWriterDriver implements Driver {
  readonly #pool: Pool;
  readonly #source: string;

  constructor(pool: Pool, source: string) {
    this.#pool = pool;
    this.#source = source;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<Lent> {
    try {
      return new Lent(await this.#pool.connect(), this.#source);
    } catch (error) {
      throw connectionError(error, this.#source);
    }
  }

  async beginTransaction(connection: Lent, { accessMode }: TransactionSettings): Promise<void> {
    if (accessMode === 'read only') {
      await connection.executeQuery(CompiledQuery.raw(BEGIN_READING));
      return;
    }
    await connection.executeQuery(CompiledQuery.raw('begin'));
    try {
      await connection.executeQuery(CompiledQuery.raw(WAIT_FOR_WRITERS));
    } catch (error) {
      // Kysely rolls back only what it saw begin.
      await this.rollbackTransaction(connection);
      throw error;
    }
  }

  async commitTransaction(connection: Lent): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  async rollbackTransaction(connection: Lent): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('rollback'));
  }

  async releaseConnection(connection: Lent): Promise<void> {
    connection.giveBack();
  }

  async destroy(): Promise<void> {
    await this.#pool.end();
  }
}

/** A connection in use, which is thrown away instead of given back once it broke. */
class Lent implements DatabaseConnection {
  readonly #client: PoolClient;
  readonly #source: string;
  #broken: StateError | null = null;

  constructor(client: PoolClient, source: string) {
    this.#client = client;
    this.#source = source;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    // A rollback on a silent connection would wait as long as the statement before it.
    if (this.#broken !== null) throw this.#broken;
    try {
      const { command, rowCount, rows } = await this.#client.query(sql, [...parameters]);
      const isRead = command === 'SELECT' || rowCount === null;
      return isRead ? { rows } : { rows, numAffectedRows: BigInt(rowCount) };
    } catch (error) {
      const known = connectionError(error, this.#source);
      if (known instanceof StateError && known.code === 'state/unavailable') this.#broken = known;
      throw known;
    }
  }

  // oxlint-disable-next-line require-yield
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('the state reads in pages');
  }

  giveBack(): void {
    this.#client.release(this.#broken !== null);
  }
}
