import { guardedBody } from './guarded-body.ts';
import { parseBase, PATIENCE_MS } from './http.ts';
import { checkName } from './names.ts';
import { StorageError } from './storage.ts';

/** An answer as it came: what a storage hides from those who only want the bytes. */
export type ProbedAnswer = {
  readonly status: number;
  readonly headers: Headers;
  /** Decoded if the answer was compressed; leave its `for await` early, or the connection is held. */
  readonly body: AsyncIterable<Uint8Array>;
};

export type HttpProbe = {
  /** Throws `storage/unavailable` if nothing answers; every status is an answer. */
  ask(name: string, headers?: Readonly<Record<string, string>>): Promise<ProbedAnswer>;
};

/** Asks below an http or https URL as hosts do: uncompressed, and following redirects. */
export function openHttpProbe({
  url,
  patienceMs = PATIENCE_MS,
}: {
  readonly url: string;
  readonly patienceMs?: number;
}): HttpProbe {
  const base = parseBase(url);
  return {
    async ask(name, headers = {}) {
      checkName(name);
      const controller = new AbortController();
      const abandon = () => controller.abort();
      const timer = setTimeout(abandon, patienceMs);
      try {
        const response = await fetch(new URL(name, base), {
          signal: controller.signal,
          headers: { 'accept-encoding': 'identity', ...headers },
        });
        return {
          status: response.status,
          headers: response.headers,
          body: guardedBody(response.body ?? nothing(), {
            name,
            expected: lengthOf(response.headers),
            abandon,
            stalledAfterMs: patienceMs,
          }),
        };
      } catch (cause) {
        abandon();
        throw new StorageError('storage/unavailable', `${url} does not answer for ${name}`, {
          cause,
        });
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Null for an answer in chunks, and for a compressed one: its length is not that of the bytes that come out. */
function lengthOf(headers: Headers): number | null {
  const text = headers.get('content-length') ?? '';
  return /^\d+$/.test(text) && !headers.has('content-encoding') ? Number(text) : null;
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}
