import { setTimeout as sleep } from 'node:timers/promises';
import type { Fetcher } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { retryAfterMs } from '../backoff.ts';
import { AgentError, NotTheFileError } from '../errors.ts';
import { readBody, readErrorPage, send } from '../http.ts';
import type { HttpRequest } from '../http.ts';

export type FetchOptions = Pick<HttpRequest, 'stallMs' | 'signal' | 'network'> & {
  /** No small file may take longer in all: a drip of single bytes is not silence. */
  readonly deadlineMs?: number | undefined;
  /** Waits between two tries; tests pass one that does not. */
  readonly pause?: ((ms: number) => Promise<unknown>) | undefined;
};

const TRIES = 4;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 60_000;
const DEADLINE_MS = 5 * 60_000;
/** The snapshot's signer announces lengths of roles; it does not decide how much memory this host has. */
const MAX_METADATA_BYTES = 5_000_000;

/** What S3 and others answer for a file that is not there: 403 to who has no right to list. */
const NOT_THERE: ReadonlySet<number> = new Set([403, 404, 410]);

type Answer =
  | { readonly kind: 'body'; readonly bytes: Buffer }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterMs: number };

/**
 * A small file as a whole, or null if it is not there. Broken connections, 5xx and 429 are tried again with jitter and
 * not before `Retry-After`; what is too large or refused is not. Throws AgentError.
 */
export async function fetchSmall(
  url: string,
  limit: number,
  options: FetchOptions,
): Promise<Buffer | null> {
  const { pause = (ms) => stoppable(ms, options.signal) } = options;
  for (let attempt = 1; ; attempt += 1) {
    const answer = await tryOnce(url, limit, options, attempt === TRIES);
    if (answer?.kind === 'body') return answer.bytes;
    if (answer !== null && NOT_THERE.has(answer.status)) return null;
    const isPassing = answer === null || answer.status >= 500 || answer.status === 429;
    const askedMs = answer?.retryAfterMs ?? 0;
    // Who asks for more patience than that is asked again at the next poll, and not before.
    if (!isPassing || attempt === TRIES || askedMs > LONGEST_PAUSE_MS) throw refused(url, answer);
    const backoffMs = Math.random() * FIRST_PAUSE_MS * 2 ** attempt;
    await pause(Math.max(backoffMs, askedMs));
  }
}

async function stoppable(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (cause) {
    throw new AgentError('agent/stopped', 'stopped while waiting to try again', { cause });
  }
}

/** Null if the connection failed and there is another try. */
async function tryOnce(
  url: string,
  limit: number,
  { stallMs, deadlineMs = DEADLINE_MS, signal, network }: FetchOptions,
  isLast: boolean,
): Promise<Answer | null> {
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    const response = await send(url, {
      ...{ stallMs, network },
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    });
    const { status, headers } = response;
    if (status === 200) return { kind: 'body', bytes: await readBody(response, url, limit) };
    await readErrorPage(response);
    return {
      kind: 'status',
      status,
      retryAfterMs: retryAfterMs(headers['retry-after'], new Date()),
    };
  } catch (error) {
    const isPassing = error instanceof AgentError && error.code === 'agent/unreachable';
    if (deadline.aborted && signal?.aborted !== true) {
      throw new AgentError('agent/unreachable', `${url} took longer than ${deadlineMs} ms`, {
        cause: error,
      });
    }
    if (!isPassing || isLast) throw error;
    return null;
  }
}

function refused(url: string, answer: Exclude<Answer, { kind: 'body' }> | null): NotTheFileError {
  const status = answer?.status ?? 0;
  const code = status >= 500 || status === 429 ? 'agent/unreachable' : 'agent/answer';
  return new NotTheFileError(code, `${url} answered ${status}`);
}

/** tuf-js's way to the network: into memory, not through a temporary folder, and never without a limit. */
export class MetadataFetcher implements Fetcher {
  readonly #options: FetchOptions;
  /** Why the last download failed; tuf-js keeps no more of it than the text. */
  lastFailure: AgentError | null = null;
  /** The roots that came, by version; whether they are trusted is for others to say. */
  readonly roots = new Map<number, string>();

  constructor(options: FetchOptions) {
    this.#options = options;
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    this.lastFailure = null;
    try {
      const bytes = await fetchSmall(url, Math.min(maxLength, MAX_METADATA_BYTES), this.#options);
      if (bytes !== null) {
        this.#rememberRoot(url, bytes);
        return bytes;
      }
      this.lastFailure = new NotTheFileError('agent/not-there', `${url} is not there`);
    } catch (error) {
      if (error instanceof AgentError) this.lastFailure = error;
      throw error;
    }
    // TUF 5.3.3: only this ends the chain of roots; every other failure ends the refresh.
    throw new DownloadHTTPError(`${url} is not there`, 404);
  }

  #rememberRoot(url: string, bytes: Buffer): void {
    const [, version] = /\/(\d+)\.root\.json$/.exec(url) ?? [];
    if (version !== undefined) this.roots.set(Number(version), bytes.toString('utf8'));
  }

  /** Targets do not go this way. */
  downloadFile(): Promise<never> {
    return Promise.reject(new Error('targets are not downloaded by tuf-js'));
  }
}
