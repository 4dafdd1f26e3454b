import { StateError } from './state.ts';
import type { StateErrorCode } from './state.ts';

// https://sqlite.org/rescode.html: the low byte of an extended result code is the primary one.
const PRIMARY = 0xff;

const MEANING: ReadonlyMap<number, { readonly code: StateErrorCode; readonly what: string }> =
  new Map([
    [3, { code: 'state/denied', what: 'may not be opened' }],
    [5, { code: 'state/busy', what: 'is locked by another process' }],
    [6, { code: 'state/busy', what: 'is locked by another connection' }],
    [8, { code: 'state/denied', what: 'may not be written' }],
    [10, { code: 'state/unavailable', what: 'cannot be read or written: the disk failed' }],
    [11, { code: 'state/damaged', what: 'is damaged' }],
    [13, { code: 'state/full', what: 'cannot grow: the disk is full' }],
    [14, { code: 'state/denied', what: 'cannot be opened' }],
    [22, { code: 'state/unavailable', what: 'is larger than this file system allows' }],
    [23, { code: 'state/denied', what: 'may not be used' }],
    [26, { code: 'state/damaged', what: 'is not a database' }],
  ]);

/** What an error of node:sqlite means for the caller; undefined when it is a bug, such as a broken constraint. */
export function translateSqliteError(error: unknown, source: string): StateError | undefined {
  if (error instanceof StateError) return error;
  if (typeof error !== 'object' || error === null) return undefined;
  if (!('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  const meaning = MEANING.get(error.errcode & PRIMARY);
  if (meaning === undefined) return undefined;
  const detail = 'errstr' in error ? ` (${String(error.errstr)})` : '';
  return new StateError(meaning.code, `${source} ${meaning.what}${detail}`, { cause: error });
}

/** What an error of node:fs means while the database file and its folder are prepared. */
export function translateFileError(error: unknown, source: string): StateError | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new StateError('state/denied', `${source} may not be opened`, { cause: error });
    case 'ENOSPC':
    case 'EDQUOT':
      return new StateError('state/full', `${source} cannot be made: the disk is full`, {
        cause: error,
      });
    case 'EISDIR':
    case 'ENOTDIR':
    case 'EEXIST':
    case 'ENOENT':
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return new StateError('state/url', `${source} is no place for a file`, { cause: error });
    default:
      return undefined;
  }
}
