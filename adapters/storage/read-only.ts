import { StorageError } from './storage.ts';
import type { Storage } from './storage.ts';

/** The same storage, on which every put and delete is `storage/denied`. */
export function readOnly(storage: Storage): Storage {
  async function refuse(name: string): Promise<never> {
    throw new StorageError('storage/denied', `${storage.url} is open for reading only: ${name}`);
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
