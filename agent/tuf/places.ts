import { AgentError, NotTheFileError } from '../errors.ts';
import type { AgentErrorCode } from '../errors.ts';

/** Where a repository lies; both end in `/`; http, https or file. */
export type RepositoryPlace = {
  readonly metadataUrl: string;
  readonly targetsUrl: string;
};

/** Told of a place that did not do its part when another one is asked next. */
export type OnPlaceFailed = (failure: {
  readonly url: string;
  readonly code: AgentErrorCode;
  readonly message: string;
}) => void;

/** What another place may do better; everything else is this host's own affair. */
const FAULTS_OF_A_PLACE: ReadonlySet<AgentErrorCode> = new Set<AgentErrorCode>([
  'agent/unreachable',
  'agent/not-there',
  'agent/too-large',
  'agent/answer',
  'agent/metadata',
  'agent/expired',
  'agent/rollback',
  'agent/image',
]);

export function isFaultOfPlace(error: unknown): error is AgentError {
  return error instanceof AgentError && FAULTS_OF_A_PLACE.has(error.code);
}

/**
 * What is to be said after every place failed. If one of them could not be reached, or did not give what it holds, it is that:
 * it may have been the one that would have done its part.
 */
export function failureOfAll(failures: readonly AgentError[]): AgentError {
  const [first] = failures;
  if (first === undefined) throw new Error('nothing failed');
  if (failures.length === 1) return first;
  const message = failures.map((failure) => failure.message).join('; ');
  const away = failures.find(({ code }) => code === 'agent/unreachable');
  if (away !== undefined) return new AgentError('agent/unreachable', message, { cause: away });
  const silent = failures.find((failure) => failure instanceof NotTheFileError);
  if (silent !== undefined) return new NotTheFileError(silent.code, message, { cause: silent });
  return new AgentError(first.code, message, { cause: first });
}
