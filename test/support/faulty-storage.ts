import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage, StreamName } from '../../adapters/storage/storage.ts';

/** Whether the put that fails has taken effect: a crash just before it, or an answer lost just after it. */
export type FaultPhase = 'before' | 'after';

export type FaultyStorage = Storage & {
  /** The names of all puts so far that were let through, in order. */
  readonly puts: readonly string[];
  /** Lets `n` - 1 more puts pass and fails the n-th (from 1); afterwards every call fails, as for a dead process. */
  crashAt(n: number, phase: FaultPhase): void;
  /** As `crashAt`, but only that one put fails. */
  failAt(n: number, phase: FaultPhase): void;
};

/** Stands before a storage and breaks at a chosen put. Every fault is `storage/unavailable`. */
export function faultyStorage(inner: Storage): FaultyStorage {
  const puts: string[] = [];
  let fault: { left: number; readonly phase: FaultPhase; readonly deadly: boolean } | undefined;
  let dead = false;

  function injected(): StorageError {
    return new StorageError('storage/unavailable', 'injected fault');
  }

  function live(): Storage {
    if (dead) throw injected();
    return inner;
  }

  async function counted<T>(name: StreamName, put: (storage: Storage) => Promise<T>): Promise<T> {
    const storage = live();
    const breaksNow = fault !== undefined && --fault.left === 0 ? fault : undefined;
    if (breaksNow !== undefined) {
      fault = undefined;
      dead = breaksNow.deadly;
      if (breaksNow.phase === 'before') throw injected();
    }
    const result = await put(storage);
    puts.push(typeof name === 'string' ? name : name());
    if (breaksNow !== undefined) throw injected();
    return result;
  }

  return {
    url: inner.url,
    puts,
    crashAt: (n, phase) => {
      fault = { left: n, phase, deadly: true };
    },
    failAt: (n, phase) => {
      fault = { left: n, phase, deadly: false };
    },
    stat: async (name) => live().stat(name),
    get: async (name, range) => live().get(name, range),
    put: async (name, bytes, options) =>
      counted(name, (storage) => storage.put(name, bytes, options)),
    putStream: async (name, source, options) =>
      counted(name, (storage) => storage.putStream(name, source, options)),
    list: async function* (prefix) {
      yield* live().list(prefix);
    },
    delete: async (name) => live().delete(name),
    [Symbol.asyncDispose]: async () => inner[Symbol.asyncDispose](),
  };
}
