import { resolve } from 'node:path';
import { openPostgres, openPostgresTables } from './postgres.ts';
import { postgresReplicas } from './postgres-replicas.ts';
import { aloneReplicas } from './replicas.ts';
import type { Replicas } from './replicas.ts';
import { openSqlite, openSqliteTables } from './sqlite.ts';
import { StateError } from './state.ts';
import type { State } from './state.ts';
import type { StateTables } from './state-tables.ts';

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
  if (isPostgres(url)) return openPostgres(url, { waitMs });
  const { file, source } = sqlitePlace(url, cwd);
  return openSqlite(file, { source, waitMs });
}

/** The tables of a state that exists already; nothing is made, and the schema stays as it is. */
export async function openTables(
  url: string,
  { cwd }: Pick<OpenStateOptions, 'cwd'>,
): Promise<StateTables> {
  if (isPostgres(url)) return openPostgresTables(url);
  const { file, source } = sqlitePlace(url, cwd);
  return openSqliteTables(file, source);
}

function sqlitePlace(url: string, cwd: string): { readonly file: string; readonly source: string } {
  const [, scheme, rest] = /^([a-z]+):(.*)$/s.exec(url) ?? [];
  if (scheme !== 'sqlite' || rest === undefined) {
    // The rest of the URL may hold a password, so it is not repeated.
    const got = scheme === undefined ? 'no scheme' : `${scheme}:…`;
    throw new StateError(
      'state/url',
      `state must be sqlite:PATH, sqlite::memory: or postgres://…, got ${got}`,
    );
  }
  if (rest === ':memory:') return { file: rest, source: url };
  if (rest === '' || rest.endsWith('/') || rest.includes('\0')) {
    throw new StateError('state/url', `state must name a file, got ${JSON.stringify(url)}`);
  }
  const file = resolve(cwd, rest);
  return { file, source: `sqlite:${file}` };
}

/** The servers that share the state of this URL. */
export function openReplicas(url: string): Replicas {
  return isPostgres(url) ? postgresReplicas(url) : aloneReplicas();
}

function isPostgres(url: string): boolean {
  return /^postgres(?:ql)?:/.test(url);
}
