import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { backoffMs, retryAfterMs, WAITING } from './backoff.ts';
import type { Waiting } from './backoff.ts';
import { AgentError, NotTheFileError } from './errors.ts';
import { send } from './http.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import { failureOfAll, isFaultOfPlace } from './tuf/places.ts';
import type { OnPlaceFailed } from './tuf/places.ts';

/** A file as TUF metadata lists it: length and hash are those of the bytes as they are stored. */
export type RemoteFile = {
  readonly url: string;
  /** Where else it lies, in the order in which to ask. */
  readonly mirrors?: readonly string[];
  readonly length: number;
  readonly sha256: string;
};

export type FetchOptions = Pick<HttpRequest, 'signal' | 'stallMs' | 'network'> & {
  /** Told of every chunk that came, those that came again too. */
  readonly onBytes?: ((count: number) => void) | undefined;
  readonly onPlaceFailed?: OnPlaceFailed | undefined;
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
  readonly #urls: readonly string[];
  /** Which URL is asked now. */
  #at = 0;
  /** Why others were given up. */
  readonly #givenUp: AgentError[] = [];
  #hash: Hash = createHash('sha256');
  #isVerified = false;
  #received = 0;
  #etag: string | null = null;
  #failures = 0;
  #restarts = 0;
  #wasResumed = false;
  #next: HttpResponse | null = null;

  constructor(file: RemoteFile, options: FetchOptions) {
    this.#file = file;
    this.#urls = [file.url, ...(file.mirrors ?? [])];
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
        if (!isFaultOfPlace(error)) throw error;
        this.#failures = this.#received - before >= PROGRESS_BYTES ? 0 : this.#failures + 1;
        if (error.code === 'agent/unreachable' && this.#failures < MAX_FAILURES) {
          await this.#pause(backoffMs(this.#failures, this.#waiting.random));
        } else {
          this.#moveOn(error);
        }
      }
    }
  }

  /** What came so far counts at the next place too: the same bytes lie there, and if they were wrong the hash will tell. */
  #moveOn(error: AgentError): void {
    this.#givenUp.push(error);
    if (this.#givenUp.length >= this.#urls.length) throw failureOfAll(this.#givenUp);
    this.#options.onPlaceFailed?.({ url: this.#url, code: error.code, message: error.message });
    this.#at = (this.#at + 1) % this.#urls.length;
    this.#failures = 0;
    this.#restarts = 0;
    this.#etag = null;
  }

  get #url(): string {
    return this.#urls[this.#at] ?? this.#file.url;
  }

  /** Throws `agent/image` unless the whole file was received and has its hash. */
  verify(): void {
    const { length, sha256 } = this.#file;
    const url = this.#url;
    if (this.#received < length) {
      throw imageError(`${url} goes on behind its end at byte ${this.#received} of ${length}`);
    }
    const got = this.#hash.copy().digest('hex');
    if (got !== sha256) throw imageError(`${url} must have SHA-256 ${sha256}, got ${got}`);
    this.#isVerified = true;
  }

  /**
   * The same file from its first byte, after wrong bytes: from where it came last if they may be parts of two different
   * files, else from the next place. Throws the error if it stands.
   */
  anew(error: unknown): RemoteFileReader {
    const isWrong = error instanceof AgentError && error.code === 'agent/image';
    if (!isWrong || this.#isVerified) throw error;
    const reader = new RemoteFileReader(this.#file, this.#options);
    reader.#at = this.#at;
    reader.#givenUp.push(...this.#givenUp);
    if (this.#wasResumed && this.#restarts < MAX_RESTARTS) reader.#restarts = this.#restarts + 1;
    else reader.#moveOn(error);
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
        await this.#options.network?.imagePace.take(chunk.length, this.#signal);
        yield chunk;
      }
    } finally {
      response.close();
    }
  }

  async #open(): Promise<HttpResponse> {
    const from = this.#received;
    const { stallMs, network } = this.#options;
    const headers = from === 0 ? {} : { range: `bytes=${from}-`, ...this.#ifRange() };
    const response = await send(this.#url, { headers, signal: this.#signal, stallMs, network });
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
      throw new NotTheFileError(code, `${this.#url} answered ${status}`);
    }
  }

  #checkRange(header: string | string[] | undefined, from: number): void {
    const { length } = this.#file;
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(String(header)) ?? [];
    const isAsAsked =
      Number(first) === from &&
      Number(last) < length &&
      (total === '*' || Number(total) === length);
    if (isAsAsked) return;
    throw new AgentError(
      'agent/answer',
      `${this.#url} must answer with bytes ${from}-${length - 1}/${length}, got '${String(header)}'`,
    );
  }

  #checkLength(header: string | string[] | undefined): void {
    const { length } = this.#file;
    if (header === undefined || Number(header) === length) return;
    const message = `${this.#url} must have ${length} bytes, answered with ${String(header)}`;
    throw new NotTheFileError('agent/answer', message);
  }

  /** With the whole file in `response`, or with nothing yet. */
  #startOver(response: HttpResponse | null): never {
    if (this.#restarts >= MAX_RESTARTS) {
      throw new AgentError(
        'agent/answer',
        `${this.#url} changes while it is read, or breaks off without resuming`,
      );
    }
    this.#restarts += 1;
    this.#hash = createHash('sha256');
    this.#received = 0;
    this.#wasResumed = false;
    this.#next = response;
    this.#etag = strongEtag(response?.headers['etag']);
    throw new FileRestarted(this.#url);
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
    return new AgentError('agent/unreachable', `${this.#url} ${what}`);
  }

  #tooLarge(): AgentError {
    return new AgentError(
      'agent/too-large',
      `${this.#url} has more than ${this.#file.length} bytes`,
    );
  }
}

/** A weak one does not promise the same bytes, so it is of no use for parts. */
function strongEtag(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && header.startsWith('"') ? header : null;
}

function imageError(message: string): AgentError {
  return new AgentError('agent/image', message);
}
