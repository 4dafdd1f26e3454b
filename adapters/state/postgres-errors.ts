import { StateError } from './state.ts';
import type { StateErrorCode } from './state.ts';

type Meaning = { readonly code: StateErrorCode; readonly what: string };

// https://www.postgresql.org/docs/current/errcodes-appendix.html: the first two characters are the class.
const MEANING: Readonly<Record<string, Meaning>> = {
  '08': { code: 'state/unavailable', what: 'lost the connection' },
  '25006': { code: 'state/unavailable', what: 'takes no writes: it is a standby' },
  '25P03': { code: 'state/unavailable', what: 'ended a transaction that stood still' },
  '28': { code: 'state/denied', what: 'refuses the login' },
  '3D000': { code: 'state/url', what: 'does not exist' },
  '3F000': { code: 'state/url', what: 'has no schema to work in' },
  '40001': { code: 'state/busy', what: 'was changed by another process meanwhile' },
  '40P01': { code: 'state/busy', what: 'broke a deadlock with another process' },
  '42501': { code: 'state/denied', what: 'may not be used' },
  '53': { code: 'state/unavailable', what: 'is out of resources' },
  '53100': { code: 'state/full', what: 'cannot grow: the disk is full' },
  '55P03': { code: 'state/busy', what: 'is locked by another process' },
  '57': { code: 'state/unavailable', what: 'was stopped or gave up the work' },
  '58': { code: 'state/unavailable', what: 'cannot be read or written: the disk failed' },
  XX001: { code: 'state/damaged', what: 'is damaged' },
  XX002: { code: 'state/damaged', what: 'has a damaged index' },
};

/** What an error of PostgreSQL means for the caller; undefined when it is a bug, such as a broken constraint. */
export function translatePostgresError(error: unknown, source: string): StateError | undefined {
  if (error instanceof StateError) return error;
  const sqlState = sqlStateOf(error);
  if (sqlState === null) return undefined;
  const meaning = MEANING[sqlState] ?? MEANING[sqlState.slice(0, 2)];
  if (meaning === undefined) return undefined;
  return new StateError(meaning.code, `${source} ${meaning.what} (${sqlState})`, { cause: error });
}

/**
 * What it means that no connection was made or that one broke: whatever the server did not say itself comes from the
 * network, and of that the driver gives codes for a part only.
 */
export function connectionError(error: unknown, source: string): unknown {
  if (sqlStateOf(error) !== null) return translatePostgresError(error, source) ?? error;
  // The driver refuses values that it cannot write down: a bug of the caller.
  if (typeof error === 'object' && error !== null && 'name' in error && error.name === 'TypeError')
    return error;
  return new StateError('state/unavailable', `${source} cannot be reached${detailOf(error)}`, {
    cause: error,
  });
}

/** Errors of the server have a severity; those of Node have a code, too, but none like `08006`. */
function sqlStateOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null;
  if (!('severity' in error) || !('code' in error) || typeof error.code !== 'string') return null;
  return error.code;
}

function detailOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return ` (${error.code})`;
  return 'message' in error && typeof error.message === 'string' ? ` (${error.message})` : '';
}
