import { Kysely, sql } from 'kysely';
import { OneWriterDialect } from './postgres-dialect.ts';
import { translatePostgresError } from './postgres-errors.ts';
import { makePool } from './postgres-pool.ts';
import type { PoolLimits } from './postgres-pool.ts';
import { targetOf } from './postgres-target.ts';
import type { PostgresTarget } from './postgres-target.ts';
import { inTransaction } from './sql-access.ts';
import type { InTransaction } from './sql-access.ts';
import { SqlState } from './sql-state.ts';
import type { State } from './state.ts';
import type { StateTables } from './state-tables.ts';
import type { Tables } from './tables.ts';

/** One for the writer, the others for those who only read. */
const CONNECTIONS = 8;
const STATEMENT_MS = 20_000;

/** Opens the database that a `postgres://…` URL names, which must exist; its schema is brought up to date. */
export async function openPostgres(
  url: string,
  { waitMs }: { readonly waitMs: number },
): Promise<State> {
  const target = targetOf(url);
  const limits = { connections: CONNECTIONS, lockMs: waitMs, statementMs: STATEMENT_MS };
  const db = connect(target, limits);
  try {
    // A migration may have to read every row.
    await using schema = connect(target, { ...limits, connections: 1, statementMs: null });
    return await SqlState.open({
      db,
      schema,
      source: target.source,
      translate: (error) => translatePostgresError(error, target.source),
      waitMs,
      loosely,
    });
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

const loosely: InTransaction = (db, work) =>
  inTransaction(db, async (transaction) => {
    await sql`set local synchronous_commit = off`.execute(transaction);
    return work(transaction);
  });

/** The tables of a database that exists, with no limit of time. */
export function openPostgresTables(url: string): StateTables {
  const target = targetOf(url);
  const db = connect(target, { connections: 1, lockMs: 0, statementMs: null });
  return {
    db,
    source: target.source,
    translate: (error) => translatePostgresError(error, target.source),
    [Symbol.asyncDispose]: () => db.destroy(),
  };
}

function connect(target: PostgresTarget, limits: PoolLimits): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: new OneWriterDialect(makePool(target, limits), target.source),
  });
}
