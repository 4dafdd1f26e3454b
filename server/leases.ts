import { TOO_LATE_MS } from '../adapters/state/leases.ts';
import { StateError } from '../adapters/state/state.ts';
import type { Lease, State } from '../adapters/state/state.ts';
import { ceilingOf, limitsOf } from '../core/fleet/limit.ts';
import type { LeaseCount } from '../core/fleet/limit.ts';
import type { Member } from '../core/fleet/rules.ts';
import type { Fleet } from './fleet.ts';
import { LeaseBook } from './lease-book.ts';
import type { LimitMembers } from './limit-members.ts';

export type LeasesOptions = {
  readonly state: Pick<State, 'grantLease' | 'leasesAt'>;
  readonly fleet: Fleet;
  readonly members: Pick<LimitMembers, 'of'>;
  /** How long a host that says nothing counts as being under way. */
  readonly timeoutMs: number;
  readonly now: () => Date;
  /** Throws if the clock cannot be right. */
  readonly requireClock: () => void;
  /** Called when the book is known to lag behind. */
  readonly wake: () => void;
  /** Called when a host was given leases that this server did not know to be its own. */
  readonly onGrant: (hostId: string) => void;
};

type Limit = { readonly key: string; readonly ceiling: number };

/**
 * Who may be under way at once. The database gives the leases, one transaction each, so that servers together never give more than
 * the limits allow; who is held back is held back from memory, which every grant, report and look at the database brings up to date.
 */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #book = new LeaseBook();
  /** Limits that the database refused since it was last read, although the book has some left; by the ceiling at that time. */
  readonly #full = new Map<string, { readonly ceiling: number }>();
  readonly #asked = new Map<string, Promise<boolean>>();
  /** Hosts that may hold leases which the book does not know: the database is asked about them before they are held back. */
  readonly #mayHold = new Map<string, object>();
  /** Hosts of which the book learnt something since the last look at the database began. */
  readonly #touched = new Set<string>();
  readonly #underWay = new Map<string, Member>();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** Hosts that hold leases, as far as this server knows. */
  get size(): number {
    return this.#book.size;
  }

  /** The leases that stand in this host's way: none of a limit of which it holds one itself, or may hold one. */
  countFor(hostId: string): LeaseCount {
    return (key) => {
      const now = this.#options.now();
      const members = this.#options.members.of(key);
      const isOwn = this.#mayHold.has(hostId) || this.#book.holds(hostId, key, now);
      if (isOwn) return { inUse: 0, members };
      const inUse = Math.max(this.#book.inUse(key, now), this.#full.get(key)?.ceiling ?? 0);
      return { inUse, members };
    };
  }

  /**
   * Whether the host may start, or go on: it then holds a lease of each limit that bounds it. False if the limits are reached, or
   * if the database is away and cannot say. The host must have been let through by the count of this very instant.
   */
  take(host: Member): Promise<boolean> {
    const limits = this.#limitsOf(host);
    if (limits.length === 0) return Promise.resolve(true);
    const asked = this.#asked.get(host.id);
    if (asked !== undefined) return asked;
    const asking = this.#ask(host.id, limits).finally(() => this.#asked.delete(host.id));
    this.#asked.set(host.id, asking);
    return asking;
  }

  /** A host that is down, or about to be, was heard of: it keeps what it holds. Written down by the next `tick`. */
  heard(host: Member): void {
    const end = this.#book.endOf(host.id);
    const { now, timeoutMs } = this.#options;
    if (end === null || end.getTime() - now().getTime() > timeoutMs / 2) return;
    this.#underWay.set(host.id, host);
  }

  /** The host's outcome is durable, so that its leases are free, unless it had told of that before. */
  freed(hostId: string): void {
    this.#touched.add(hostId);
    if (this.#book.endOf(hostId) === null) return;
    this.#book.delete(hostId);
    this.mayHold(hostId);
  }

  /** Another server may have given the host leases. */
  mayHold(hostId: string): void {
    this.#mayHold.set(hostId, {});
  }

  /** Renews the leases of those who were heard of, and reads what other servers gave and freed. Throws StateError. */
  async tick(): Promise<void> {
    const underWay = [...this.#underWay.values()];
    this.#underWay.clear();
    for (const host of underWay) await this.take(host);
    const { fleet, state, now } = this.#options;
    const isBounded = fleet.view.fleet.rules.groups.some(
      ({ concurrency }) => concurrency.length > 0,
    );
    const [refused, doubted] = [[...this.#full], [...this.#mayHold]];
    this.#touched.clear();
    if (!isBounded && this.#book.size === 0) return this.#mayHold.clear();
    for (const hostId of this.#asked.keys()) this.#touched.add(hostId);
    const leases = await state.leasesAt(now());
    this.#book.replace(leases, this.#touched);
    for (const [key, mark] of refused) {
      if (this.#full.get(key) === mark) this.#full.delete(key);
    }
    for (const [hostId, mark] of doubted) {
      if (this.#mayHold.get(hostId) === mark) this.#mayHold.delete(hostId);
    }
    await this.#shorten(leases);
  }

  /** Hosts may be gone for ever that were given leases by a clock that was ahead: those would be out until that time. */
  async #shorten(leases: readonly Lease[]): Promise<void> {
    const { state, timeoutMs, now, requireClock } = this.#options;
    const at = now();
    const isTooLong = ({ until }: Lease) =>
      until.getTime() - at.getTime() > timeoutMs + TOO_LATE_MS;
    // Seen from a clock that is behind, right leases end late.
    if (leases.some(isTooLong)) requireClock();
    for (const [hostId, own] of Map.groupBy(leases.filter(isTooLong), (lease) => lease.hostId)) {
      const limits = own.map(({ key }) => ({ key, ceiling: 0 }));
      await state.grantLease({ hostId, limits, at, until: new Date(at.getTime() + timeoutMs) });
    }
  }

  /** Of several limits that share a key, such as a number and a share of one group, the lower one counts. */
  #limitsOf(host: Member): readonly Limit[] {
    const { fleet, members } = this.#options;
    const ceilings = new Map<string, number>();
    for (const { key, limit } of limitsOf(host, fleet.view.fleet.rules)) {
      const ceiling = ceilingOf(limit, members.of(key));
      ceilings.set(key, Math.min(ceiling, ceilings.get(key) ?? Infinity));
    }
    return [...ceilings].map(([key, ceiling]) => ({ key, ceiling }));
  }

  async #ask(hostId: string, limits: readonly Limit[]): Promise<boolean> {
    const { now, timeoutMs, wake, onGrant } = this.#options;
    const at = now();
    const until = new Date(at.getTime() + timeoutMs);
    const missing = limits.filter(({ key }) => !this.#book.holds(hostId, key, at));
    // Before the database is asked, so that of many polls at once only as many ask as there are leases.
    this.#book.set(
      hostId,
      limits.map(({ key }) => key),
      until,
    );
    const isGranted = await this.#grant({ hostId, limits, at, until });
    this.#touched.add(hostId);
    this.#mayHold.delete(hostId);
    if (isGranted) {
      if (missing.length > 0) onGrant(hostId);
      return true;
    }
    this.#book.delete(hostId);
    for (const { key, ceiling } of missing) this.#full.set(key, { ceiling });
    wake();
    return false;
  }

  async #grant(order: Parameters<State['grantLease']>[0]): Promise<boolean> {
    try {
      return await this.#options.state.grantLease(order);
    } catch (error) {
      if (error instanceof StateError) return false;
      throw error;
    }
  }
}
