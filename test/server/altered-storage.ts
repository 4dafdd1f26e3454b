import type { Storage } from '../../adapters/storage/storage.ts';

/** A storage of which some methods are replaced. */
export function alteredStorage(
  inner: Storage,
  change: Partial<Pick<Storage, 'stat' | 'get' | 'put'>>,
): Storage {
  return {
    url: inner.url,
    stat: (name) => inner.stat(name),
    get: (name, range) => inner.get(name, range),
    put: (name, bytes, options) => inner.put(name, bytes, options),
    putStream: (name, source, options) => inner.putStream(name, source, options),
    list: (prefix) => inner.list(prefix),
    delete: (name) => inner.delete(name),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    ...change,
  };
}
