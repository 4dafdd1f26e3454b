import { guardedBody } from './guarded-body.ts';
import { checkName } from './names.ts';
import { beyondTheEnd, checkRange } from './ranges.ts';
import { StorageError } from './storage.ts';
import type { ByteRange, ObjectStat, Storage, StoredObject, StreamName } from './storage.ts';

export const PATIENCE_MS = 30_000;
// What web servers and buckets answer for a name that does not exist; many say 403 to whoever may not list.
const ABSENT: ReadonlySet<number> = new Set([403, 404, 410]);

/**
 * A published repository below an http or https URL, as hosts see it. Only for reading: it cannot be listed, and every
 * put and delete is `storage/denied`. Gives up with `storage/unavailable` after `patienceMs` without a byte.
 */
export function openHttpStorage({
  url,
  patienceMs = PATIENCE_MS,
}: {
  readonly url: string;
  readonly patienceMs?: number;
}): Storage {
  const base = parseBase(url);

  async function stat(name: string): Promise<ObjectStat> {
    const { response, stop } = await ask(name, 'HEAD');
    try {
      return { size: lengthOf(response, name), etag: etagOf(response, name) };
    } finally {
      stop();
    }
  }

  async function get(name: string, range?: ByteRange): Promise<StoredObject> {
    checkRange(name, range);
    const { response, stop } = await ask(name, 'GET', range);
    try {
      const expected = lengthOf(response, name);
      return {
        size: range === undefined ? expected : wholeSizeOf(response, name, range),
        etag: etagOf(response, name),
        body: guardedBody(response.body ?? nothing(), {
          name,
          expected,
          abandon: stop,
          stalledAfterMs: patienceMs,
        }),
      };
    } catch (error) {
      stop();
      throw error;
    }
  }

  async function ask(
    name: string,
    method: 'GET' | 'HEAD',
    range?: ByteRange,
  ): Promise<{ readonly response: Response; readonly stop: () => void }> {
    checkName(name);
    const controller = new AbortController();
    const stop = () => controller.abort();
    const timer = setTimeout(stop, patienceMs);
    try {
      const response = await fetch(new URL(name, base), {
        method,
        signal: controller.signal,
        headers: {
          // A compressed answer would hide the object's size.
          'accept-encoding': 'identity',
          ...(range === undefined ? {} : { range: `bytes=${range.start}-${range.end ?? ''}` }),
        },
      });
      if (response.ok) return { response, stop };
      throw refused(name, response.status, range);
    } catch (error) {
      stop();
      if (error instanceof StorageError) throw error;
      throw new StorageError('storage/unavailable', `${url} does not answer for ${name}`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async function denied(name: StreamName): Promise<never> {
    const what = typeof name === 'string' ? name : 'a stream';
    throw new StorageError('storage/denied', `${url} can only be read: ${what}`);
  }

  return {
    url,
    stat,
    get,
    put: denied,
    putStream: denied,
    delete: denied,
    list: (prefix) => ({ [Symbol.asyncIterator]: () => ({ next: () => denied(prefix) }) }),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** The folder that an http or https URL names, with `/` at its end. Throws `storage/name`. */
export function parseBase(url: string): URL {
  const base = URL.parse(url.endsWith('/') ? url : `${url}/`);
  const isPlain =
    base !== null && base.username === '' && base.password === '' && !base.search && !base.hash;
  if (!isPlain || !['http:', 'https:'].includes(base.protocol)) {
    throw new StorageError('storage/name', 'storage URL must have no user, query or fragment', {
      hints: ['https://updates.example.com/repo'],
    });
  }
  return base;
}

function refused(name: string, status: number, range: ByteRange | undefined): StorageError {
  if (ABSENT.has(status)) {
    return new StorageError('storage/not-there', `there is no ${name} (HTTP ${status})`);
  }
  if (status === 401) return new StorageError('storage/denied', `${name} may not be read`);
  if (status === 416 && range !== undefined) return beyondTheEnd(name, range);
  return new StorageError('storage/unavailable', `${name}: the server answered ${status}`);
}

function lengthOf({ headers }: Response, name: string): number {
  const text = headers.get('content-length') ?? '';
  if (/^\d+$/.test(text)) return Number(text);
  throw new StorageError('storage/unavailable', `${name}: the server does not say its length`);
}

function wholeSizeOf({ status, headers }: Response, name: string, { start }: ByteRange): number {
  const [, from, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? [];
  if (status === 206 && Number(from) === start) return Number(size);
  throw new StorageError('storage/unavailable', `${name}: the server ignores ranges`);
}

function etagOf({ headers }: Response, name: string): string {
  const etag = headers.get('etag') ?? headers.get('last-modified');
  if (etag !== null) return etag;
  throw new StorageError('storage/unavailable', `${name}: the server sends no ETag and no date`);
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}
