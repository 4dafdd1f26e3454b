import type { Storage, StreamName } from '../../adapters/storage/storage.ts';
import type { FaultPhase } from './faulty-storage.ts';

export type MortalStorage = Storage & {
  /** The names of all puts and deletions so far, in order; of refused puts too. */
  readonly changes: readonly string[];
  /** Told after each put and deletion. */
  onChange: (name: string) => Promise<void>;
  /**
   * Lets `n` - 1 more changes pass. The n-th (from 1) ends in SIGKILL: whoever works on the storage is never answered again, so
   * that no handler of theirs runs either. Resolves at that moment.
   */
  killAt(n: number, phase: FaultPhase): Promise<void>;
};

/** Stands before a storage, counts what changes it, and can kill whoever works on it at any change. */
export function mortalStorage(inner: Storage): MortalStorage {
  const changes: string[] = [];
  let fault: { left: number; readonly phase: FaultPhase; readonly died: () => void } | undefined;
  let isDead = false;

  async function live(): Promise<Storage> {
    if (isDead) await forever();
    return inner;
  }

  async function change<T>(name: StreamName, make: (storage: Storage) => Promise<T>): Promise<T> {
    const storage = await live();
    const fatal = fault !== undefined && --fault.left === 0 ? fault : undefined;
    if (fatal?.phase === 'before') await die(fatal);
    try {
      return await make(storage);
    } finally {
      if (fatal !== undefined) await die(fatal);
      const done = typeof name === 'string' ? name : name();
      changes.push(done);
      await mortal.onChange(done);
    }
  }

  async function die({ died }: { readonly died: () => void }): Promise<never> {
    isDead = true;
    died();
    return forever();
  }

  const mortal: MortalStorage = {
    url: inner.url,
    changes,
    onChange: async () => {},
    killAt: (n, phase) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      fault = { left: n, phase, died: resolve };
      return promise;
    },
    stat: async (name) => (await live()).stat(name),
    get: async (name, range) => (await live()).get(name, range),
    put: async (name, bytes, options) =>
      change(name, (storage) => storage.put(name, bytes, options)),
    putStream: async (name, source, options) =>
      change(name, (storage) => storage.putStream(name, source, options)),
    list: async function* (prefix) {
      yield* (await live()).list(prefix);
    },
    delete: async (name) => change(name, (storage) => storage.delete(name)),
    [Symbol.asyncDispose]: async () => {},
  };
  return mortal;
}

function forever(): Promise<never> {
  return new Promise(() => {});
}
