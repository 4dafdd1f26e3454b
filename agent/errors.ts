import { ExpectedError } from '../core/errors.ts';
import type { ExpectedErrorOptions } from '../core/errors.ts';
import { withoutPassword } from './without-password.ts';

export type AgentErrorCode =
  /** agent.toml is missing, unreadable or wrong. */
  | 'agent/config'
  /** Another agent works on the same state folder. */
  | 'agent/locked'
  /** The clock is clearly before a time that this host has seen. */
  | 'agent/clock'
  /** The network or the other side did not do its part, and asking again did not help. */
  | 'agent/unreachable'
  /** There is no such file on the other side, or none that this host may read. */
  | 'agent/not-there'
  /** More bytes than were announced, or than are ever right. */
  | 'agent/too-large'
  /** The other side answered something else than the protocol allows. */
  | 'agent/answer'
  /** Whoever runs the agent told it to stop. */
  | 'agent/stopped'
  /** The repository's metadata does not hold: its signatures, hashes or form. */
  | 'agent/metadata'
  /** Metadata whose time is over: nobody renews it, or somebody holds the renewal back. */
  | 'agent/expired'
  /** Metadata older than what this host has seen. */
  | 'agent/rollback'
  /** An image is not, byte for byte, what the signed release document says. */
  | 'agent/image'
  /** Signed documents do not allow this host to go there. */
  | 'agent/not-permitted'
  /** A verb that makes no sense where the agent stands. */
  | 'agent/illegal-verb'
  /** What a verb is for did not come about. */
  | 'agent/not-done'
  /** The slots are not as the operation needs them. */
  | 'agent/slots'
  /** The answer of `agent on-trial` where nothing is. */
  | 'agent/not-on-trial'
  /** The system does not boot although it is told to. */
  | 'agent/reboot'
  /** The process that does the daemon's work ended before the work did. */
  | 'agent/worker'
  /** There is not enough room on the disk. */
  | 'agent/full'
  /** The disk refuses or fails. */
  | 'agent/disk';

/** What an agent may fail with; a password of a URL is in no message. */
export class AgentError extends ExpectedError<AgentErrorCode> {
  constructor(code: AgentErrorCode, message: string, options: ExpectedErrorOptions = {}) {
    super(code, withoutPassword(message), options);
  }
}

/**
 * Somebody on the way answered with something else than the file, a status or a page of another length: a portal, a proxy, a
 * storage that lost it or wants other credentials. It says nothing about what the file holds.
 */
export class NotTheFileError extends AgentError {}

/** The server is there, but takes no check-ins now. */
export class ServerBusyError extends AgentError {
  /** How long it asks to be left alone; null if it does not say. */
  readonly retryAfterSeconds: number | null;

  constructor(message: string, retryAfterSeconds: number | null) {
    super('agent/unreachable', message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** What the server asked for, if that is what went wrong. */
export function retryAfterOf(error: unknown): number | null {
  return error instanceof ServerBusyError ? error.retryAfterSeconds : null;
}
