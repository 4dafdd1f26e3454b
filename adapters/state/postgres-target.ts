import { Client } from 'pg';
import { StateError } from './state.ts';

/** Where a PostgreSQL database is. */
export type PostgresTarget = {
  /** With the credentials. */
  readonly url: string;
  /** The database's name in messages, without credentials. */
  readonly source: string;
};

/** Throws `state/url`. The driver's own errors repeat the URL with its password, so they are no cause. */
export function targetOf(url: string): PostgresTarget {
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
  const source = host.startsWith('/')
    ? `postgres:///${name}?host=${host}`
    : `postgres://${host}:${port}/${name}`;
  return { url, source };
}
