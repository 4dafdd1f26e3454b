import { resolve } from 'node:path';
import { openPostgres } from './postgres.ts';
import { openSqlite } from './sqlite.ts';
import { StateError } from './state.ts';
import type { State } from './state.ts';

export type OpenStateOptions = {
  /** A relative path in the URL starts here. */
  readonly cwd: string;
  /** How long a call waits for another process that holds the database, before `state/busy`; 5 seconds by default. */
  readonly waitMs?: number;
};

const WAIT_MS = 5000;

/**
 * Opens `sqlite:PATH`, `sqlite::memory:` or `postgres://…`, brings the schema up to date, or throws a StateError. A file
 * that is missing is made (folder 0700, file 0600); what exists is never deleted.
 */
export async function openState(
  url: string,
  { cwd, waitMs = WAIT_MS }: OpenStateOptions,
): Promise<State> {
  const [, scheme, rest] = /^([a-z]+):(.*)$/s.exec(url) ?? [];
  if (scheme === 'postgres' || scheme === 'postgresql') return openPostgres(url, { waitMs });
  if (scheme !== 'sqlite' || rest === undefined) {
    // The rest of the URL may hold a password, so it is not repeated.
    const got = scheme === undefined ? 'no scheme' : `${scheme}:…`;
    throw new StateError(
      'state/url',
      `state must be sqlite:PATH, sqlite::memory: or postgres://…, got ${got}`,
    );
  }
  if (rest === ':memory:') return openSqlite(rest, { source: url, waitMs });
  if (rest === '' || rest.endsWith('/') || rest.includes('\0')) {
    throw new StateError('state/url', `state must name a file, got ${JSON.stringify(url)}`);
  }
  const file = resolve(cwd, rest);
  return openSqlite(file, { source: `sqlite:${file}`, waitMs });
}
