import { StorageError } from './storage.ts';

const STALLED_AFTER_MS = 30_000;

/**
 * Passes on what a network yields, and throws `storage/unavailable` when it breaks off, stalls, or ends before or after
 * the expected number of bytes, if that is known. `abandon` closes the connection; it is called unless the body was read to its end.
 */
export async function* guardedBody(
  source: AsyncIterable<Uint8Array>,
  {
    name,
    expected,
    abandon,
    stalledAfterMs = STALLED_AFTER_MS,
  }: {
    readonly name: string;
    readonly expected: number | null;
    readonly abandon: () => void;
    readonly stalledAfterMs?: number;
  },
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let seen = 0;
  let isWhole = false;
  try {
    for (;;) {
      const next = await within(stalledAfterMs, name, iterator.next());
      if (next.done === true) break;
      seen += next.value.byteLength;
      if (expected !== null && seen > expected) break;
      yield next.value;
    }
    if (expected !== null && seen !== expected) {
      throw new StorageError(
        'storage/unavailable',
        `${name}: the store sent ${seen > expected ? 'more than' : `${seen} of`} ${expected} bytes`,
      );
    }
    isWhole = true;
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw new StorageError('storage/unavailable', `${name} broke off while it was read`, {
      cause: error,
    });
  } finally {
    if (!isWhole) abandon();
  }
}

/** What the promise gives, or `storage/unavailable` when it gives nothing in time. Only the wait is timed. */
async function within<T>(ms: number, name: string, promise: Promise<T>): Promise<T> {
  // Abandoning the connection rejects it later, when nobody waits any more.
  promise.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new StorageError('storage/unavailable', `${name}: no byte came for ${ms / 1000} s`));
    }, ms);
  });
  try {
    return await Promise.race([promise, stalled]);
  } finally {
    clearTimeout(timer);
  }
}
