import type { Lease } from '../adapters/state/state.ts';

type Holding = { readonly keys: ReadonlySet<string>; readonly untilMs: number };

/**
 * The leases that are out as far as this server knows, in memory. The database alone says who has one: the book may lag behind, so it
 * answers only what costs nothing if it is wrong. No look into it walks through more than what is over.
 */
export class LeaseBook {
  readonly #byHost = new Map<string, Holding>();
  /** Hosts in the order in which their leases end, or nearly so. */
  readonly #byKey = new Map<string, Map<string, number>>();

  /** Hosts that hold leases. */
  get size(): number {
    return this.#byHost.size;
  }

  /** The host holds leases of these limits and of no others. */
  set(hostId: string, keys: Iterable<string>, until: Date): void {
    this.delete(hostId);
    const holding = { keys: new Set(keys), untilMs: until.getTime() };
    this.#byHost.set(hostId, holding);
    for (const key of holding.keys) {
      const hosts = this.#byKey.get(key) ?? new Map<string, number>();
      this.#byKey.set(key, hosts.set(hostId, holding.untilMs));
    }
  }

  delete(hostId: string): void {
    const holding = this.#byHost.get(hostId);
    if (holding === undefined) return;
    this.#byHost.delete(hostId);
    for (const key of holding.keys) {
      const hosts = this.#byKey.get(key);
      hosts?.delete(hostId);
      if (hosts?.size === 0) this.#byKey.delete(key);
    }
  }

  /** When the host's leases end; null if it holds none. */
  endOf(hostId: string): Date | null {
    const holding = this.#byHost.get(hostId);
    return holding === undefined ? null : new Date(holding.untilMs);
  }

  /** Whether the host holds a lease of this limit. */
  holds(hostId: string, key: string, now: Date): boolean {
    const holding = this.#byHost.get(hostId);
    return holding !== undefined && holding.untilMs > now.getTime() && holding.keys.has(key);
  }

  /** How many leases of this limit are out. */
  inUse(key: string, now: Date): number {
    const hosts = this.#byKey.get(key);
    if (hosts === undefined) return 0;
    for (const [hostId, untilMs] of hosts) {
      if (untilMs > now.getTime()) break;
      this.delete(hostId);
    }
    return hosts.size;
  }

  /** The leases in the database are these; of hosts in `except` the book knows better. */
  replace(leases: readonly Lease[], except: ReadonlySet<string>): void {
    const known = new Map([...this.#byHost].filter(([hostId]) => except.has(hostId)));
    for (const [hostId, own] of Map.groupBy(leases, (lease) => lease.hostId)) {
      if (except.has(hostId)) continue;
      // A host's leases are given together, so they end together.
      const untilMs = own[0]?.until.getTime() ?? 0;
      known.set(hostId, { keys: new Set(own.map(({ key }) => key)), untilMs });
    }
    this.#byHost.clear();
    this.#byKey.clear();
    const inOrder = [...known].toSorted(([, a], [, b]) => a.untilMs - b.untilMs);
    for (const [hostId, { keys, untilMs }] of inOrder) this.set(hostId, keys, new Date(untilMs));
  }
}
