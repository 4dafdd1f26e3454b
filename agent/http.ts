import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import { AgentError, NotTheFileError } from './errors.ts';
import { readFileUrl } from './file-url.ts';
import type { Network } from './network/network.ts';

export type HttpRequest = {
  readonly method?: 'GET' | 'POST';
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How long the other side may be silent; how long it takes in all does not matter. Default 30 s. */
  readonly stallMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Without it the request goes straight to its server, and Node's own authorities are trusted. */
  readonly network?: Network | undefined;
};

export type HttpResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** To be read once, to its end, or else `close`. Throws `agent/unreachable` when it breaks off or stalls. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the connection if the body was not read to its end. */
  close(): void;
};

const STALL_MS = 30_000;
/** Fewer bytes than this in `stallMs` of waiting count as silence, or a drip of single bytes could go on for months. */
const DRIP_BYTES = 1024;
const MAX_PAGE_BYTES = 64 * 1024;
const PAGE_CHARACTERS = 300;
const REDIRECTS = 5;
const PROXY_REFUSED = 407;
const REDIRECT_STATUS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * One request over http, https or, for GET, file; redirects of a GET are followed, never to a weaker protocol. Any status is
 * an answer. Throws `agent/unreachable`, `agent/answer` for what is not HTTP as we asked for it, `agent/stopped`.
 */
export async function send(url: string, request: HttpRequest = {}): Promise<HttpResponse> {
  if (url.startsWith('file:')) return readFileUrl(url, request);
  let at = new URL(url);
  for (let redirects = 0; ; redirects += 1) {
    const response = await sendHttp(at, request);
    const next = response.headers['location'];
    if (request.method === 'POST' || !REDIRECT_STATUS.has(response.status)) return response;
    response.close();
    at = redirectedTo(at, typeof next === 'string' ? next : '');
    if (redirects === REDIRECTS) {
      throw new AgentError('agent/answer', `${url} redirects more than ${REDIRECTS} times`);
    }
  }
}

/** The body as a whole. Throws `agent/too-large`, after at most one chunk more than `limit` bytes. */
export async function readBody(
  { body }: Pick<HttpResponse, 'body'>,
  url: string,
  limit: number,
): Promise<Buffer> {
  const chunks = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > limit) {
      throw new AgentError('agent/too-large', `${url} has more than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The begin of what came with a status that says it all. It is read so that the connection can serve again, and cut off where
 * it is longer than any page of an error.
 */
export async function readErrorPage(response: HttpResponse): Promise<string> {
  const chunks = [];
  let length = 0;
  try {
    for await (const chunk of response.body) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_PAGE_BYTES) break;
    }
  } catch (error) {
    // The status came, and counts whatever became of the rest.
    if (!(error instanceof AgentError) || error.code !== 'agent/unreachable') throw error;
  } finally {
    response.close();
  }
  return Buffer.concat(chunks).toString('utf8').slice(0, PAGE_CHARACTERS);
}

function redirectedTo(from: URL, location: string): URL {
  const to = URL.parse(location, from.href);
  const isWeaker =
    to?.protocol !== 'https:' && (to?.protocol !== 'http:' || from.protocol !== 'http:');
  if (to === null || isWeaker) {
    throw new AgentError('agent/answer', `${from.href} redirects to ${JSON.stringify(location)}`);
  }
  return to;
}

async function sendHttp(url: URL, request: HttpRequest): Promise<HttpResponse> {
  const { method = 'GET', headers = {}, body = '', stallMs = STALL_MS, signal } = request;
  const agent = await request.network?.agentFor(url);
  const start = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const length = method === 'POST' ? { 'content-length': String(Buffer.byteLength(body)) } : {};
    const outgoing = start(url, {
      method,
      headers: { 'accept-encoding': 'identity', ...headers, ...length },
      signal,
      // A proxy may be as slow to answer as anybody else.
      timeout: stallMs,
      ...(agent === undefined ? {} : { agent }),
    });
    const silence = setTimeout(() => {
      outgoing.destroy(silent(stallMs));
    }, stallMs);
    outgoing.on('error', (cause) => {
      clearTimeout(silence);
      reject(unreachable(url, cause, signal));
    });
    outgoing.on('response', (incoming) => {
      clearTimeout(silence);
      // A connection that breaks while nobody reads the body is no error of the whole process.
      incoming.on('error', () => undefined);
      const encoding = incoming.headers['content-encoding'] ?? 'identity';
      if (encoding !== 'identity') {
        incoming.destroy();
        reject(new AgentError('agent/answer', `${url.href} comes in the encoding ${encoding}`));
      }
      if (incoming.statusCode === PROXY_REFUSED) {
        incoming.destroy();
        reject(refusedByProxy(url));
      }
      resolve({
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        body: bodyOf(url, incoming, { stallMs, signal }),
        close: () => {
          incoming.destroy();
        },
      });
    });
    outgoing.end(method === 'POST' ? body : undefined);
  });
}

type Waiting = { readonly stallMs: number; readonly signal: AbortSignal | undefined };

async function* bodyOf(
  url: URL,
  incoming: IncomingMessage,
  { stallMs, signal }: Waiting,
): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterator<unknown> = incoming[Symbol.asyncIterator]();
  let waitedMs = 0;
  let gathered = 0;
  try {
    for (;;) {
      // Only waiting counts: a reader that takes its time over a chunk is no fault of the other side.
      const since = performance.now();
      const silence = setTimeout(
        () => {
          incoming.destroy(silent(stallMs));
        },
        Math.max(0, stallMs - waitedMs),
      );
      const { done, value } = await chunks.next().finally(() => {
        clearTimeout(silence);
      });
      if (done === true) break;
      if (!(value instanceof Uint8Array)) continue;
      gathered += value.length;
      waitedMs = gathered >= DRIP_BYTES ? 0 : waitedMs + performance.now() - since;
      if (gathered >= DRIP_BYTES) gathered = 0;
      yield value;
    }
  } catch (cause) {
    throw unreachable(url, cause, signal);
  } finally {
    incoming.destroy();
  }
}

function silent(stallMs: number): Error {
  return new Error(`no progress for ${stallMs} ms`);
}

function unreachable(url: URL, cause: unknown, signal: AbortSignal | undefined): AgentError {
  if (signal?.aborted === true) {
    return new AgentError('agent/stopped', `stopped while reading ${url.href}`, { cause });
  }
  const hasMessage = typeof cause === 'object' && cause !== null && 'message' in cause;
  const isProxy = errnoOf(cause) === 'ERR_PROXY_TUNNEL';
  const hasStatus = typeof cause === 'object' && cause !== null && 'statusCode' in cause;
  if (isProxy && hasStatus && cause.statusCode === PROXY_REFUSED) return refusedByProxy(url, cause);
  const errno = isProxy ? undefined : errnoOf(cause);
  const reason = errno ?? (hasMessage ? String(cause.message) : String(cause));
  return new AgentError('agent/unreachable', `no good answer from ${url.href}: ${reason}`, {
    cause,
  });
}

function refusedByProxy(url: URL, cause?: unknown): NotTheFileError {
  return new NotTheFileError(
    'agent/answer',
    `the proxy to ${url.host} wants other credentials (${PROXY_REFUSED})`,
    { cause },
  );
}
