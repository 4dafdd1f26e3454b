import type { HostSeen, Offer, State } from '../adapters/state/state.ts';
import { Mutex } from './mutex.ts';

export type WriteBehindOptions = {
  readonly state: Pick<State, 'touchHosts' | 'recordOffers'>;
  /** Called when a batch is worth writing before its time. */
  readonly wake: () => void;
  readonly onDropped: (count: number) => void;
};

const BATCH = 2000;
/** While the database is away, hosts beyond these are forgotten until they are seen again. */
const MOST_ENTRIES = 100_000;

/** What polls teach about hosts, kept in bounded memory until it is written; of a host only the last sighting counts. */
export class WriteBehind {
  readonly #options: WriteBehindOptions;
  readonly #mutex = new Mutex();
  #hosts = new Map<string, HostSeen>();
  #offers = new Map<string, Offer>();

  constructor(options: WriteBehindOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#hosts.size + this.#offers.size;
  }

  seen(host: HostSeen): void {
    this.#keep(this.#hosts, host.id, host);
  }

  offered(offer: Offer): void {
    this.#keep(this.#offers, `${offer.rolloutId}\n${offer.hostId}`, offer);
  }

  /** Resolves when everything known at the call is written. What fails stays in memory and is thrown. */
  flush(): Promise<void> {
    return this.#mutex.run(async () => {
      const { state } = this.#options;
      const hosts = this.#hosts;
      this.#hosts = new Map();
      await this.#write(
        hosts,
        (batch) => state.touchHosts(batch),
        () => {
          this.#hosts = this.#merged(hosts, this.#hosts);
        },
      );
      const offers = this.#offers;
      this.#offers = new Map();
      await this.#write(
        offers,
        (batch) => state.recordOffers(batch),
        () => {
          this.#offers = this.#merged(offers, this.#offers);
        },
      );
    });
  }

  async #write<T>(
    entries: ReadonlyMap<string, T>,
    write: (batch: readonly T[]) => Promise<void>,
    restore: () => void,
  ): Promise<void> {
    if (entries.size === 0) return;
    try {
      await write([...entries.values()]);
    } catch (error) {
      restore();
      throw error;
    }
  }

  #keep<T>(entries: Map<string, T>, key: string, value: T): void {
    if (entries.size >= MOST_ENTRIES && !entries.has(key)) {
      this.#options.onDropped(1);
      return;
    }
    entries.set(key, value);
    if (entries.size % BATCH === 0) this.#options.wake();
  }

  #merged<T>(older: ReadonlyMap<string, T>, newer: ReadonlyMap<string, T>): Map<string, T> {
    const all = [...new Map([...older, ...newer])];
    if (all.length > MOST_ENTRIES) this.#options.onDropped(all.length - MOST_ENTRIES);
    return new Map(all.slice(0, MOST_ENTRIES));
  }
}
