import { StorageError } from './storage.ts';
import type { Storage, StreamName } from './storage.ts';

/** The same storage, on which every put and delete is `storage/denied`. */
export function readOnly(storage: Storage): Storage {
  async function refuse(name: StreamName): Promise<never> {
    const what = typeof name === 'string' ? name : 'a stream';
    throw new StorageError('storage/denied', `${storage.url} is open for reading only: ${what}`);
  }
  return {
    url: storage.url,
    stat: (name) => storage.stat(name),
    get: (name, range) => storage.get(name, range),
    list: (prefix) => storage.list(prefix),
    put: refuse,
    putStream: refuse,
    delete: refuse,
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}
