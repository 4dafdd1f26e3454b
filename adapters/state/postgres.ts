import { Kysely } from 'kysely';
import { Client } from 'pg';
import { OneWriterDialect } from './postgres-dialect.ts';
import { translatePostgresError } from './postgres-errors.ts';
import { makePool } from './postgres-pool.ts';
import type { PoolLimits, PostgresTarget } from './postgres-pool.ts';
import { SqlState } from './sql-state.ts';
import { StateError } from './state.ts';
import type { State } from './state.ts';
import type { Tables } from './tables.ts';

/** One for the writer, the others for those who only read. */
const CONNECTIONS = 8;
const STATEMENT_MS = 20_000;

/** Opens the database that a `postgres://…` URL names, which must exist; its schema is brought up to date. */
export async function openPostgres(
  url: string,
  { waitMs }: { readonly waitMs: number },
): Promise<State> {
  const target = { url, source: sourceOf(url) };
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
    });
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

function connect(target: PostgresTarget, limits: PoolLimits): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: new OneWriterDialect(makePool(target, limits), target.source),
  });
}

/** The database's name in messages. The driver's own errors repeat the URL with its password, so they are no cause. */
function sourceOf(url: string): string {
  let client: Client;
  try {
    client = new Client({ connectionString: url });
  } catch {
    throw new StateError(
      'state/url',
      'state must be like postgres://user@host:5432/database, got a URL that cannot be read',
      { hints: ['characters such as @ / % in a password must be percent-encoded'] },
    );
  }
  const { host, port, database } = client;
  const name = database ?? '';
  return host.startsWith('/')
    ? `postgres:///${name}?host=${host}`
    : `postgres://${host}:${port}/${name}`;
}
