import type { HostSeen, Offer, State } from '../adapters/state/state.ts';
import { Mutex } from './mutex.ts';
import { RecentlyNoted } from './recently-noted.ts';

export type WriteBehindOptions = {
  readonly state: Pick<State, 'touchHosts' | 'recordOffers'>;
  /** Called when a batch is worth writing before its time. */
  readonly wake: () => void;
  readonly onDropped: (count: number) => void;
};

const BATCH = 2000;
/** While the database is away, hosts beyond these are forgotten until they are seen again. */
const MOST_ENTRIES = 100_000;

/** A host that says what it said before is written again only after so long: its last sighting is known to that. */
const SAME_FOR_MS = 300_000;
/** Of two million hosts most are remembered, in 24 MiB. */
const REMEMBERED = 2 ** 21;

/**
 * What polls teach about hosts, kept in bounded memory until it is written; of a host only the last sighting counts. What
 * was written minutes ago is not written again, so that a fleet costs the database little however often it polls.
 */
export class WriteBehind {
  readonly #options: WriteBehindOptions;
  readonly #mutex = new Mutex();
  readonly #sightings = new RecentlyNoted({ capacity: REMEMBERED, forMs: SAME_FOR_MS });
  readonly #offered = new RecentlyNoted({ capacity: REMEMBERED, forMs: SAME_FOR_MS });
  #hosts = new Map<string, HostSeen>();
  #offers = new Map<string, Offer>();

  constructor(options: WriteBehindOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#hosts.size + this.#offers.size;
  }

  seen(host: HostSeen): void {
    if (!this.#sightings.note(host.id, textOf(host), host.seenAt)) return;
    this.#keep(this.#hosts, host.id, host, this.#sightings);
  }

  /** Of several offers the first counts: from then on the host has its time. */
  offered(offer: Offer): void {
    const key = `${offer.rolloutId}\n${offer.hostId}`;
    if (this.#offers.has(key) || !this.#offered.note(key, '', offer.at)) return;
    this.#keep(this.#offers, key, offer, this.#offered);
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
          this.#hosts = this.#merged(hosts, this.#hosts, this.#sightings);
        },
      );
      const offers = this.#offers;
      this.#offers = new Map();
      await this.#write(
        offers,
        (batch) => state.recordOffers(batch),
        () => {
          this.#offers = this.#merged(this.#offers, offers, this.#offered);
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

  #keep<T>(entries: Map<string, T>, key: string, value: T, noted: RecentlyNoted): void {
    if (entries.size >= MOST_ENTRIES && !entries.has(key)) {
      this.#drop([key], noted);
      return;
    }
    entries.set(key, value);
    if (entries.size % BATCH === 0) this.#options.wake();
  }

  #merged<T>(
    below: ReadonlyMap<string, T>,
    above: ReadonlyMap<string, T>,
    noted: RecentlyNoted,
  ): Map<string, T> {
    const all = [...new Map([...below, ...above])];
    const dropped = all.slice(MOST_ENTRIES).map(([key]) => key);
    if (dropped.length > 0) this.#drop(dropped, noted);
    return new Map(all.slice(0, MOST_ENTRIES));
  }

  /** What is dropped was not written, so it must not be taken for written the next time. */
  #drop(keys: readonly string[], noted: RecentlyNoted): void {
    for (const key of keys) noted.forget(key);
    this.#options.onDropped(keys.length);
  }
}

/** All of a sighting but its time; none of it holds a line feed. */
function textOf({ variant, arch, version, seed, group, labels, state }: HostSeen): string {
  let text = `${variant}\n${arch}\n${version}\n${seed}\n${group ?? ''}\n${state}`;
  for (const name in labels) text += `\n${name}\n${labels[name]}`;
  return text;
}
