import {
  BadVersionError,
  DownloadHTTPError,
  ExpiredMetadataError,
  PersistError,
} from 'tuf-js/dist/error.js';
import { AgentError } from '../errors.ts';

/** tuf-js's errors as ours. `lastFailure` is why the last download failed, which tuf-js keeps only as text. */
export function translateTufError(cause: unknown, lastFailure: AgentError | null): AgentError {
  if (cause instanceof AgentError) return cause;
  if (lastFailure !== null && !(cause instanceof PersistError)) return lastFailure;
  const message = messageOf(cause);
  return new AgentError(codeOf(cause, message), `the repository's metadata: ${message}`, { cause });
}

function codeOf(cause: unknown, message: string) {
  if (cause instanceof PersistError) return 'agent/disk';
  if (cause instanceof DownloadHTTPError) return 'agent/not-there';
  // For snapshot and targets tuf-js wraps these two in a RuntimeError that keeps only their text.
  if (cause instanceof ExpiredMetadataError || message.endsWith(' is expired'))
    return 'agent/expired';
  if (cause instanceof BadVersionError || message.includes(' is less than current ')) {
    return 'agent/rollback';
  }
  return 'agent/metadata';
}

function messageOf(cause: unknown): string {
  const hasMessage = typeof cause === 'object' && cause !== null && 'message' in cause;
  return hasMessage ? String(cause.message) : String(cause);
}
