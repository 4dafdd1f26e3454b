import { Client, Pool } from 'pg';
import type { ClientConfig } from 'pg';
import type { PostgresTarget } from './postgres-target.ts';
import { StateError } from './state.ts';

export type PoolLimits = {
  readonly connections: number;
  /** How long a statement waits for a lock. */
  readonly lockMs: number;
  /** How long a statement may run; null is any time, also between the statements of a transaction. */
  readonly statementMs: number | null;
};

const CONNECT_MS = 5000;
/** A process that stops in the middle of a transaction holds everybody up for no longer than this. */
const IDLE_IN_TRANSACTION_MS = 10_000;
/** The server ends a statement by itself; whoever hears nothing for this much longer has lost the server. */
const NETWORK_MS = 5000;

/** Oids of int8 and numeric, which the driver gives as text: https://www.postgresql.org/docs/current/catalog-pg-type.html */
const NUMBER_TYPES = [20, 1700];

/** Settings of a session, for one of the pool or one of its own. */
export function sessionConfig(
  { url }: PostgresTarget,
  { lockMs, statementMs }: Omit<PoolLimits, 'connections'>,
): ClientConfig {
  return {
    connectionString: url,
    fallback_application_name: 'tidegate',
    keepAlive: true,
    // 0 would be for ever.
    lock_timeout: Math.max(1, Math.ceil(lockMs)),
    ...(statementMs === null
      ? {}
      : {
          idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
          statement_timeout: statementMs,
          query_timeout: statementMs + NETWORK_MS,
        }),
  };
}

/** A session that is not connected yet, and gives up connecting in time. */
export class SessionClient extends Client {
  constructor(config?: ClientConfig) {
    // Not as an option of the pool: that would also limit how long callers wait in its line.
    super({ ...config, connectionTimeoutMillis: CONNECT_MS });
  }
}

/** Connections, made when they are needed, replaced when they broke. */
export function makePool(target: PostgresTarget, limits: PoolLimits): Pool {
  const pool = new Pool({
    ...sessionConfig(target, limits),
    max: limits.connections,
    Client: SessionClient,
  });
  // A broken connection says so to whoever uses it; without listeners it would end the process, used or not.
  pool.on('error', () => {});
  pool.on('connect', (client) => {
    client.on('error', () => {});
    for (const type of NUMBER_TYPES) client.setTypeParser(type, toNumber);
  });
  return pool;
}

function toNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) {
    throw new StateError('state/damaged', `the database holds ${text}, which is no whole number`);
  }
  return number;
}
