import {
  BadVersionError,
  DownloadHTTPError,
  ExpiredMetadataError,
  PersistError,
} from 'tuf-js/dist/error.js';
import { errnoOf } from '../../adapters/storage/file-errors.ts';
import { AgentError } from '../errors.ts';

/** tuf-js's errors as ours. `lastFailure` is why the last download failed, which tuf-js keeps only as text. */
export function translateTufError(cause: unknown, lastFailure: AgentError | null): AgentError {
  if (cause instanceof AgentError) return cause;
  const message = messageOf(cause);
  if (lastFailure !== null && !isOfDisk(cause, message)) return lastFailure;
  return new AgentError(codeOf(cause, message), `the repository's metadata: ${message}`, { cause });
}

function codeOf(cause: unknown, message: string) {
  if (isOfDisk(cause, message)) {
    return /\b(?:ENOSPC|EDQUOT|EFBIG)\b/.test(message) ? 'agent/full' : 'agent/disk';
  }
  if (cause instanceof DownloadHTTPError) return 'agent/not-there';
  // For snapshot and targets tuf-js wraps these two in a RuntimeError that keeps only their text.
  if (cause instanceof ExpiredMetadataError || message.endsWith(' is expired'))
    return 'agent/expired';
  if (cause instanceof BadVersionError || message.includes(' is less than current ')) {
    return 'agent/rollback';
  }
  return 'agent/metadata';
}

/**
 * What cannot be written, which tuf-js wraps for snapshot and targets in a RuntimeError that keeps only its text, or what the
 * system says of a file that cannot be read. The network's own errors never come so far.
 */
function isOfDisk(cause: unknown, message: string): boolean {
  const isOfSystem = /^E[A-Z0-9]+$/.test(errnoOf(cause) ?? '');
  return (
    isOfSystem || cause instanceof PersistError || message.includes('Failed to persist metadata')
  );
}

function messageOf(cause: unknown): string {
  const hasMessage = typeof cause === 'object' && cause !== null && 'message' in cause;
  return hasMessage ? String(cause.message) : String(cause);
}
