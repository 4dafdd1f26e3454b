import { StateError } from '../../adapters/state/state.ts';
import type { State } from '../../adapters/state/state.ts';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage } from '../../adapters/storage/storage.ts';

/** Whether what stands behind is gone, or takes calls and never answers them; nothing in it is lost meanwhile. */
export type Outage = { isAway: boolean; isSilent: boolean };

/** Every call fails while `isAway` is set, and begun while `isSilent` is set none ever ends. */
export function breakable<T extends Storage | State>(
  inner: T,
): { readonly resource: T; readonly outage: Outage } {
  const outage = { isAway: false, isSilent: false };
  const resource = new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        if (typeof name === 'string' && outage.isSilent) return new Promise(() => {});
        return typeof name === 'string' && outage.isAway
          ? Promise.reject(awayError(target))
          : Reflect.apply(value, target, args);
      };
    },
  });
  return { resource, outage };
}

function awayError(target: Storage | State): StorageError | StateError {
  return 'putStream' in target
    ? new StorageError('storage/unavailable', 'the store does not answer')
    : new StateError('state/unavailable', 'the database does not answer');
}
