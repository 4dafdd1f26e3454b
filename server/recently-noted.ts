import { quickHash } from './quick-hash.ts';

const WAYS = 4;
/** Of an entry: the tag of its key, the digest of its text, and the second of the note. */
const FIELDS = 3;
const TAG_SEED = 0x2545_f491;
const BUCKET_SEED = 0x27d4_eb2f;
/** Seconds are counted from a day before the first note, so that a clock set back does not reach 0: an empty entry. */
const SECONDS_BEFORE_FIRST = 86_400;

/**
 * Which texts were noted under which keys in the last minutes, in memory that never grows: what does not fit is forgotten,
 * which costs a needless write and nothing else. Keys and texts are known by 83 bits of hashes in all.
 */
export class RecentlyNoted {
  readonly #forSeconds: number;
  readonly #buckets: number;
  readonly #entries: Int32Array;
  #firstSecond: number | null = null;

  /** Has room for `capacity` keys, a power of two; about half of it can be used before much is forgotten. */
  constructor({ capacity, forMs }: { readonly capacity: number; readonly forMs: number }) {
    this.#forSeconds = forMs / 1000;
    this.#buckets = capacity / WAYS;
    this.#entries = new Int32Array(capacity * FIELDS);
  }

  /** Notes the text under the key; false if it was noted there, and last, not long ago. */
  note(key: string, text: string, at: Date): boolean {
    const second = this.#secondOf(at);
    const tag = quickHash(key, TAG_SEED);
    const digest = quickHash(text, tag);
    const start = this.#startOf(key);
    let place = start;
    for (let way = start; way < start + WAYS * FIELDS; way += FIELDS) {
      if (this.#isOf(way, tag)) {
        place = way;
        break;
      }
      if (this.#second(way) < this.#second(place)) place = way;
    }
    const age = second - this.#second(place);
    const isKnown = this.#isOf(place, tag) && this.#entries[place + 1] === digest;
    // A clock that was set back must not keep anything from being noted.
    if (isKnown && age >= 0 && age < this.#forSeconds) return false;
    this.#entries[place] = tag;
    this.#entries[place + 1] = digest;
    this.#entries[place + 2] = second;
    return true;
  }

  /** The next note under the key is a new one. */
  forget(key: string): void {
    const tag = quickHash(key, TAG_SEED);
    const start = this.#startOf(key);
    for (let way = start; way < start + WAYS * FIELDS; way += FIELDS) {
      if (this.#isOf(way, tag)) this.#entries.fill(0, way, way + FIELDS);
    }
  }

  #isOf(way: number, tag: number): boolean {
    return this.#entries[way] === tag && this.#second(way) !== 0;
  }

  /** 0 is an empty entry. */
  #second(way: number): number {
    return this.#entries[way + 2] ?? 0;
  }

  #startOf(key: string): number {
    return ((quickHash(key, BUCKET_SEED) >>> 0) % this.#buckets) * WAYS * FIELDS;
  }

  #secondOf(at: Date): number {
    const second = Math.floor(at.getTime() / 1000);
    this.#firstSecond ??= second;
    return Math.max(1, second - this.#firstSecond + SECONDS_BEFORE_FIRST);
  }
}
