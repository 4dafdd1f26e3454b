import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { CompiledQuery, SqliteAdapter, SqliteDialect, SqliteDriver } from 'kysely';
import type {
  DatabaseConnection,
  DialectAdapter,
  Driver,
  SqliteDatabase,
  SqliteStatement,
  TransactionSettings,
} from 'kysely';

/** Texts of statements are few, except that batches come in many lengths: keep the most recently used. */
const PREPARED_STATEMENTS = 100;

/** Kysely's SQLite dialect over a node:sqlite database, which the Kysely instance closes. */
export class NodeSqliteDialect extends SqliteDialect {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    super({ database: toKyselyDatabase(database) });
    this.#database = database;
  }

  override createDriver(): Driver {
    return new NodeSqliteDriver(this.#database);
  }

  override createAdapter(): DialectAdapter {
    return new NodeSqliteAdapter();
  }
}

class NodeSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  // The driver below lends its one connection to one caller at a time. Kysely's own lock, which this switches off,
  // wakes every waiter at each release: quadratic when a fleet reports at once.
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class NodeSqliteDriver extends SqliteDriver {
  readonly #database: DatabaseSync;
  readonly #waiting: (() => void)[] = [];
  #isLent = false;

  constructor(database: DatabaseSync) {
    super({ database: toKyselyDatabase(database) });
    this.#database = database;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    if (this.#isLent) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    this.#isLent = true;
    return super.acquireConnection();
  }

  override async releaseConnection(): Promise<void> {
    // The next in line takes the connection over: it stays lent, so that nobody slips in between. It does so in a
    // turn of its own: node:sqlite never waits, so that a long line would otherwise stop the event loop.
    const next = this.#waiting.shift();
    if (next === undefined) this.#isLent = false;
    else setImmediate(next);
  }

  // A deferred transaction that reads before it writes fails in its middle when another process wrote in between, and
  // must start again. With the write lock taken first, it waits at its beginning or not at all.
  override async beginTransaction(
    connection: DatabaseConnection,
    settings?: TransactionSettings,
  ): Promise<void> {
    const begin = settings?.accessMode === 'read only' ? 'begin deferred' : 'begin immediate';
    await connection.executeQuery(CompiledQuery.raw(begin));
  }

  // SQLite itself rolls back on some errors (disk full, input/output); a second rollback would hide them.
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.isTransaction) await super.rollbackTransaction(connection);
  }
}

function toKyselyDatabase(database: DatabaseSync): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>();
  return {
    close: () => {
      database.close();
    },
    prepare: (text) => {
      const statement = prepared.get(text) ?? toKyselyStatement(database.prepare(text));
      prepared.delete(text);
      prepared.set(text, statement);
      const oldest = prepared.keys().next();
      if (prepared.size > PREPARED_STATEMENTS && !oldest.done) prepared.delete(oldest.value);
      return statement;
    },
  };
}

function toKyselyStatement(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...parameters.map(toSqliteValue)),
    run: (parameters) => statement.run(...parameters.map(toSqliteValue)),
    iterate: (parameters) => statement.iterate(...parameters.map(toSqliteValue)),
  };
}

function toSqliteValue(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'bigint') return value;
  // SQLite would keep NaN as NULL, and a fraction as a float that no integer column asked for.
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  const got = typeof value === 'number' ? value : typeof value;
  throw new TypeError(`only text, whole numbers and null can be stored, got ${got}`);
}
