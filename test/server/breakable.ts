import { StateError } from '../../adapters/state/state.ts';
import type { State } from '../../adapters/state/state.ts';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage } from '../../adapters/storage/storage.ts';

/** Whether what stands behind does not answer; nothing in it is lost meanwhile. */
export type Outage = { isAway: boolean };

/** Every call fails while `isAway` is set, as for a store or a database that is gone. */
export function breakable<T extends Storage | State>(
  inner: T,
): { readonly resource: T; readonly outage: Outage } {
  const outage = { isAway: false };
  const resource = new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown =>
        outage.isAway && typeof name === 'string'
          ? Promise.reject(awayError(target))
          : Reflect.apply(value, target, args);
    },
  });
  return { resource, outage };
}

function awayError(target: Storage | State): StorageError | StateError {
  return 'putStream' in target
    ? new StorageError('storage/unavailable', 'the store does not answer')
    : new StateError('state/unavailable', 'the database does not answer');
}
