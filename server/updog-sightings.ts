import { isSeed, SEED_COUNT } from '../core/seed.ts';
import { isVersion } from '../core/version.ts';

/** Bottlerocket hosts look for updates some times a day. */
const SEEN_FOR_MS = 86_400_000;
/** Anybody can name versions: beyond so many, what comes new is counted together. */
const MOST_VERSIONS = 50;
const OTHER = 'other';

/**
 * Unmodified Bottlerocket hosts, observed by what updog adds to every request: its seed and the version it runs. They have no id, so
 * a seed counts once for each version; of a fleet well below 2048 hosts that is nearly all of them, of a larger one a share.
 */
export class UpdogSightings {
  /** When each seed was seen last, by version; 0 is never. */
  readonly #seenAt = new Map<string, Float64Array>();

  /** The query of a request for a file. Returns whether updog made it. */
  note(query: Readonly<Record<string, unknown>>, now: Date): boolean {
    const { seed, version } = query;
    if (typeof seed !== 'string' || typeof version !== 'string') return false;
    const place = /^\d{1,4}$/.test(seed) ? Number(seed) : -1;
    if (!isSeed(place) || !isVersion(version)) return false;
    const seenAt = this.#of(version, now);
    seenAt[place] = now.getTime();
    return true;
  }

  /** How many seeds were seen within a day, by version. */
  count(now: Date): ReadonlyMap<string, number> {
    const sinceMs = now.getTime() - SEEN_FOR_MS;
    const counts = new Map<string, number>();
    for (const [version, seenAt] of this.#seenAt) {
      const seeds = seenAt.reduce((sum, atMs) => (atMs > sinceMs ? sum + 1 : sum), 0);
      if (seeds > 0) counts.set(version, seeds);
      else this.#seenAt.delete(version);
    }
    return counts;
  }

  #of(version: string, now: Date): Float64Array {
    // Forgets versions that nobody runs any more, before a new one is turned away for them.
    if (!this.#seenAt.has(version) && this.#seenAt.size > MOST_VERSIONS) this.count(now);
    const isKnown = this.#seenAt.has(version) || this.#seenAt.size < MOST_VERSIONS;
    const name = isKnown ? version : OTHER;
    const seenAt = this.#seenAt.get(name) ?? new Float64Array(SEED_COUNT);
    this.#seenAt.set(name, seenAt);
    return seenAt;
  }
}
