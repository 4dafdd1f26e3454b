import { StateError } from '../../adapters/state/state.ts';
import type { State } from '../../adapters/state/state.ts';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import type { FaultPhase } from './faulty-storage.ts';

export type Fault = {
  /** Which change it hits, from 1. */
  readonly n: number;
  /** Whether the change that it hits has taken effect. */
  readonly phase: FaultPhase;
  /** The process is killed, or only this call fails. */
  readonly kind: 'kill' | 'fail';
};

/** The calls that change something durable. */
const CHANGES: ReadonlySet<string> = new Set<Exclude<keyof Storage | keyof State, symbol>>([
  ...(['put', 'putStream', 'delete'] as const),
  ...(['touchHosts', 'recordOffers', 'recordReports', 'recordReportBatch'] as const),
  ...(['markOverdue', 'retryFailed', 'forgetHosts', 'forgetReports', 'grantLease'] as const),
  ...(['enqueueVerb', 'finishVerb', 'recordFound', 'continueAudit'] as const),
]);

/** The life of one process, which all that it works on shares: it ends everywhere at the same change. */
export class Life {
  readonly died: Promise<void>;
  readonly #die: () => void;
  #isDead = false;
  #fault: { left: number; readonly fault: Fault } | null = null;
  #hook: { left: number; readonly work: () => Promise<void> } | null = null;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.died = promise;
    this.#die = resolve;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Ends it now: no call of before or after is ever answered. */
  kill(): void {
    this.#isDead = true;
    this.#die();
  }

  arm(fault: Fault): void {
    this.#fault = { left: fault.n, fault };
  }

  /** Does something right before the n-th change from now on (from 1), which waits for it. */
  before(n: number, work: () => Promise<void>): void {
    this.#hook = { left: n, work };
  }

  /** What was armed and has not happened will not happen. */
  disarm(): void {
    this.#fault = null;
    this.#hook = null;
  }

  async change<T>(make: () => Promise<T>, error: () => Error): Promise<T> {
    if (this.#hook !== null && --this.#hook.left === 0) {
      const { work } = this.#hook;
      this.#hook = null;
      await work();
    }
    const fault = this.#nextFault();
    if (fault?.phase === 'before') return this.#strike(fault, error);
    const result = await make();
    if (fault !== null) return this.#strike(fault, error);
    return result;
  }

  #nextFault(): Fault | null {
    if (this.#fault === null || --this.#fault.left > 0) return null;
    const { fault } = this.#fault;
    this.#fault = null;
    return fault;
  }

  #strike({ kind }: Fault, error: () => Error): Promise<never> {
    if (kind === 'fail') return Promise.reject(error());
    this.kill();
    return forever();
  }
}

/** A storage or state whose calls are a process's: counted, failed, and never answered once its life is over. */
export function mortal<T extends Storage | State>(inner: T, life: Life): T {
  const error = () =>
    'putStream' in inner
      ? new StorageError('storage/unavailable', 'injected fault')
      : new StateError('state/unavailable', 'injected fault');
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        if (life.isDead) return forever();
        if (typeof name === 'symbol' || !CHANGES.has(name)) return answered(target, value, args);
        return life.change(async () => Reflect.apply(value, target, args), error);
      };
    },
  });

  function answered(target: T, method: Function, args: readonly unknown[]): unknown {
    const answer: unknown = Reflect.apply(method, target, args);
    // Who died while it waited does not hear the answer.
    return answer instanceof Promise
      ? answer.then((value: unknown) => (life.isDead ? forever() : value))
      : answer;
  }
}

function forever(): Promise<never> {
  return new Promise(() => {});
}
