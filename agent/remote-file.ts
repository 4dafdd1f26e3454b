import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { backoffMs, retryAfterMs, WAITING } from './backoff.ts';
import type { Waiting } from './backoff.ts';
import { AgentError } from './errors.ts';
import { send } from './http.ts';
import type { HttpResponse } from './http.ts';

/** A file as TUF metadata lists it: length and hash are those of the bytes as they are stored. */
export type RemoteFile = {
  readonly url: string;
  readonly length: number;
  readonly sha256: string;
};

export type FetchOptions = {
  readonly signal?: AbortSignal | undefined;
  /** How long the other side may be silent. Default 30 s. */
  readonly stallMs?: number | undefined;
  /** Told of every chunk that came, those that came again too. */
  readonly onBytes?: ((count: number) => void) | undefined;
  readonly waiting?: Waiting | undefined;
};

/** The other side has no rest to give: what was received counts no more, and the file begins anew. */
export class FileRestarted extends Error {}

const MAX_FAILURES = 5;
const MAX_RESTARTS = 5;
/** A connection that brought so much was no failure, so that a large image gets through a bad line. */
const PROGRESS_BYTES = 64 * 1024;
/** Who asks for more patience than this is asked again at the next poll. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;
const RETRIED_STATUS: ReadonlySet<number> = new Set([408, 429]);
const ABSENT_STATUS: ReadonlySet<number> = new Set([403, 404, 410]);

/** One file on its way from a server: its bytes in order and each once, whatever breaks in between. */
export class RemoteFileReader {
  readonly #file: RemoteFile;
  readonly #options: FetchOptions;
  readonly #waiting: Waiting;
  readonly #closed = new AbortController();
  readonly #signal: AbortSignal;
  #hash: Hash = createHash('sha256');
  #received = 0;
  #etag: string | null = null;
  #failures = 0;
  #restarts = 0;
  #wasResumed = false;
  #next: HttpResponse | null = null;

  constructor(file: RemoteFile, options: FetchOptions) {
    this.#file = file;
    this.#options = options;
    this.#waiting = options.waiting ?? WAITING;
    const { signal } = options;
    const signals = signal === undefined ? [] : [signal];
    this.#signal = AbortSignal.any([this.#closed.signal, ...signals]);
  }

  /**
   * The bytes from the first one. Throws AgentErrors, and FileRestarted when a rest could not be had: then the reader of the
   * bytes forgets them and calls again.
   */
  async *bytes(): AsyncGenerator<Uint8Array> {
    while (this.#received < this.#file.length) {
      const before = this.#received;
      try {
        yield* this.#connection();
        if (this.#received < this.#file.length) throw this.#unreachable('broke off');
      } catch (error) {
        if (!(error instanceof AgentError) || error.code !== 'agent/unreachable') throw error;
        this.#failures = this.#received - before >= PROGRESS_BYTES ? 0 : this.#failures + 1;
        if (this.#failures >= MAX_FAILURES) throw error;
        await this.#pause(backoffMs(this.#failures, this.#waiting.random));
      }
    }
  }

  /** Throws `agent/image` unless the whole file was received and has its hash. */
  verify(): void {
    const { url, length, sha256 } = this.#file;
    if (this.#received < length) {
      throw imageError(`${url} goes on behind its end at byte ${this.#received} of ${length}`);
    }
    const got = this.#hash.copy().digest('hex');
    if (got !== sha256) throw imageError(`${url} must have SHA-256 ${sha256}, got ${got}`);
  }

  /**
   * The same file from its first byte, after wrong bytes that may be parts of two different files. Null if the file came in
   * one piece, or began anew often enough.
   */
  anew(): RemoteFileReader | null {
    if (!this.#wasResumed || this.#restarts >= MAX_RESTARTS) return null;
    const reader = new RemoteFileReader(this.#file, this.#options);
    reader.#restarts = this.#restarts + 1;
    return reader;
  }

  /** Ends a request that is still under way: a decompressor that failed may have asked for more already. */
  close(): void {
    this.#closed.abort();
    this.#next?.close();
  }

  async *#connection(): AsyncGenerator<Uint8Array> {
    const response = this.#next ?? (await this.#open());
    this.#next = null;
    try {
      for await (const chunk of response.body) {
        if (this.#received + chunk.length > this.#file.length) throw this.#tooLarge();
        this.#received += chunk.length;
        this.#hash.update(chunk);
        this.#options.onBytes?.(chunk.length);
        yield chunk;
      }
    } finally {
      response.close();
    }
  }

  async #open(): Promise<HttpResponse> {
    const from = this.#received;
    const { stallMs } = this.#options;
    const headers = from === 0 ? {} : { range: `bytes=${from}-`, ...this.#ifRange() };
    const response = await send(this.#file.url, { headers, signal: this.#signal, stallMs });
    try {
      await this.#check(response, from);
      return response;
    } catch (error) {
      // The body of a restart is the first part of what is read next.
      if (response !== this.#next) response.close();
      throw error;
    }
  }

  async #check(response: HttpResponse, from: number): Promise<void> {
    const { status, headers } = response;
    if (status === 206 && from > 0) {
      this.#checkRange(headers['content-range'], from);
      // RFC 9110, 14.2: a server that does not know If-Range may send a part of another file.
      if (this.#etag !== null && strongEtag(headers['etag']) !== this.#etag) this.#startOver(null);
      this.#wasResumed = true;
    } else if (status === 200) {
      this.#checkLength(headers['content-length']);
      if (from > 0) this.#startOver(response);
      this.#etag = strongEtag(headers['etag']);
    } else if (status === 416 && from > 0) {
      this.#startOver(null);
    } else if (status >= 500 || RETRIED_STATUS.has(status)) {
      await this.#waitAsTold(headers['retry-after']);
      throw this.#unreachable(`answered ${status}`);
    } else {
      const code = ABSENT_STATUS.has(status) ? 'agent/not-there' : 'agent/answer';
      throw new AgentError(code, `${this.#file.url} answered ${status}`);
    }
  }

  #checkRange(header: string | string[] | undefined, from: number): void {
    const { url, length } = this.#file;
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(String(header)) ?? [];
    const isAsAsked =
      Number(first) === from &&
      Number(last) < length &&
      (total === '*' || Number(total) === length);
    if (isAsAsked) return;
    throw new AgentError(
      'agent/answer',
      `${url} must answer with bytes ${from}-${length - 1}/${length}, got '${String(header)}'`,
    );
  }

  #checkLength(header: string | string[] | undefined): void {
    const { url, length } = this.#file;
    if (header === undefined || Number(header) === length) return;
    if (Number(header) > length) throw this.#tooLarge();
    throw imageError(`${url} must have ${length} bytes, has ${String(header)}`);
  }

  /** With the whole file in `response`, or with nothing yet. */
  #startOver(response: HttpResponse | null): never {
    if (this.#restarts >= MAX_RESTARTS) {
      throw new AgentError(
        'agent/answer',
        `${this.#file.url} changes while it is read, or breaks off without resuming`,
      );
    }
    this.#restarts += 1;
    this.#hash = createHash('sha256');
    this.#received = 0;
    this.#wasResumed = false;
    this.#next = response;
    this.#etag = strongEtag(response?.headers['etag']);
    throw new FileRestarted(this.#file.url);
  }

  #ifRange(): Record<string, string> {
    return this.#etag === null ? {} : { 'if-range': this.#etag };
  }

  async #waitAsTold(header: string | string[] | undefined): Promise<void> {
    const ms = retryAfterMs(header, new Date());
    if (ms > MAX_RETRY_AFTER_MS) {
      // Not worth another try now.
      this.#failures = MAX_FAILURES;
    } else if (ms > 0) {
      await this.#pause(ms);
    }
  }

  #pause(ms: number): Promise<void> {
    return this.#waiting.pause(ms, this.#signal);
  }

  #unreachable(what: string): AgentError {
    return new AgentError('agent/unreachable', `${this.#file.url} ${what}`);
  }

  #tooLarge(): AgentError {
    const { url, length } = this.#file;
    return new AgentError('agent/too-large', `${url} has more than ${length} bytes`);
  }
}

/** A weak one does not promise the same bytes, so it is of no use for parts. */
function strongEtag(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && header.startsWith('"') ? header : null;
}

function imageError(message: string): AgentError {
  return new AgentError('agent/image', message);
}
