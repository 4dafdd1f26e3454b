import { access, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, sql } from 'kysely';
import { attempt } from './attempt.ts';
import { inTransaction } from './sql-access.ts';
import type { InTransaction } from './sql-access.ts';
import { SqlState } from './sql-state.ts';
import { NodeSqliteDialect } from './sqlite-dialect.ts';
import { translateFileError, translateSqliteError } from './sqlite-errors.ts';
import { StateError } from './state.ts';
import type { State } from './state.ts';
import type { StateTables } from './state-tables.ts';
import type { Tables } from './tables.ts';

const IN_MEMORY = ':memory:';

/** Opens the database in an absolute path, or an empty one in memory; makes the file (0600) and its folder (0700). */
export async function openSqlite(
  file: string,
  { source, waitMs }: { readonly source: string; readonly waitMs: number },
): Promise<State> {
  if (file !== IN_MEMORY) await makeFile(file, source);
  const translate = (error: unknown) => translateSqliteError(error, source);
  const database = await attempt(() => Promise.resolve().then(() => connect(file)), {
    translate,
    waitMs,
  });
  return stateOn(database, { source, waitMs });
}

/** The tables of a database whose file exists. */
export async function openSqliteTables(file: string, source: string): Promise<StateTables> {
  const translate = (error: unknown) => translateSqliteError(error, source);
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (!exists) throw new StateError('state/url', `${source} is not there`);
  const database = await attempt(() => Promise.resolve().then(() => connect(file)), {
    translate,
    waitMs: 0,
  });
  const db = new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) });
  return { db, source, translate, [Symbol.asyncDispose]: () => db.destroy() };
}

/** The state in an open SQLite database, which is closed with it, or at once if it cannot be used. */
export async function stateOn(
  database: DatabaseSync,
  { source, waitMs }: { readonly source: string; readonly waitMs: number },
): Promise<State> {
  try {
    return await SqlState.open({
      db: new Kysely<Tables>({ dialect: new NodeSqliteDialect(database) }),
      source,
      translate: (error) => translateSqliteError(error, source),
      waitMs,
      loosely,
    });
  } catch (error) {
    if (database.isOpen) database.close();
    throw error;
  }
}

/** In WAL mode NORMAL syncs with the next commit that is FULL, or at a checkpoint. */
const loosely: InTransaction = (db, work) =>
  db.connection().execute(async (connection) => {
    await sql`pragma synchronous = normal`.execute(connection);
    try {
      return await inTransaction(connection, work);
    } finally {
      await sql`pragma synchronous = full`.execute(connection);
    }
  });

/** SQLite gives its `-wal` and `-shm` files the permissions of the database, so these are set before it looks. */
async function makeFile(file: string, source: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, 'a', 0o600);
    await handle.close();
  } catch (error) {
    throw translateFileError(error, source) ?? error;
  }
}

function connect(file: string): DatabaseSync {
  // No timeout here: SQLite would wait inside the call and stop the event loop; `attempt` waits outside.
  const database = new DatabaseSync(file, { timeout: 0, enableForeignKeyConstraints: true });
  try {
    database.exec('pragma journal_mode = wal');
    // In WAL mode NORMAL may lose acknowledged transactions at a power cut.
    database.exec('pragma synchronous = full');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
