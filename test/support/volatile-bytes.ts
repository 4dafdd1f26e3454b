import type { Picks, Ways } from './picks.ts';

/**
 * The bytes of a disk or a file. Whatever is written is kept or lost in whole units, each for itself: a power loss leaves of
 * every unit any content, and of the length any value, that it had since the last sync.
 */
export class VolatileBytes {
  readonly unitBytes: number;
  #durable: Uint8Array;
  #current: Uint8Array;
  /** Contents since the last sync by unit; behind the end of the file they are zeros. */
  readonly #units = new Map<number, Uint8Array[]>();
  #lengths: number[] = [];

  constructor(bytes: Uint8Array, unitBytes: number) {
    this.unitBytes = unitBytes;
    // A Buffer's own `slice` would share its memory.
    this.#durable = new Uint8Array(bytes);
    this.#current = new Uint8Array(bytes);
  }

  /** As whoever reads it now finds it; not to be changed. */
  get current(): Uint8Array {
    return this.#current;
  }

  write(at: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.resize(Math.max(this.#current.length, at + bytes.length));
    this.#current.set(bytes, at);
    this.#remember(at, at + bytes.length);
  }

  resize(length: number): void {
    const before = this.#current.length;
    if (length === before) return;
    const next = new Uint8Array(length);
    next.set(this.#current.subarray(0, Math.min(before, length)));
    this.#current = next;
    // A file that grows may be found at any length on its way.
    for (let at = this.#endOf(before); at < length; at += this.unitBytes) this.#lengths.push(at);
    this.#lengths.push(length);
    if (length < before) this.#remember(length, before);
  }

  /** Makes durable what lies in units that begin where `isMeant` says. */
  sync(isMeant: (at: number) => boolean = () => true): void {
    if (this.#durable.length !== this.#current.length) {
      const next = new Uint8Array(this.#current.length);
      next.set(this.#durable.subarray(0, next.length));
      this.#durable = next;
    }
    this.#lengths = [];
    for (const unit of this.#units.keys()) {
      const at = unit * this.unitBytes;
      if (!isMeant(at)) continue;
      const content = this.#current.subarray(at, at + this.unitBytes);
      if (content.length > 0) this.#durable.set(content, at);
      this.#units.delete(unit);
    }
  }

  /** What a power loss decides: the length, if it changed, and then every unit that did. */
  ways(): Ways {
    const units = [...this.#units.values()].map((versions) => versions.length + 1);
    return this.#lengths.length === 0 ? units : [this.#lengths.length + 1, ...units];
  }

  /** Not to be changed. */
  after(picks: Picks): Uint8Array {
    if (picks.length === 0) return this.#durable;
    const ofUnits = this.#lengths.length === 0 ? picks : picks.slice(1);
    const ofLength = this.#lengths.length === 0 ? 0 : (picks[0] ?? 0);
    const length = this.#lengths[ofLength - 1] ?? this.#durable.length;
    const bytes = length === this.#durable.length ? this.#durable.slice() : new Uint8Array(length);
    if (length !== this.#durable.length) bytes.set(this.#durable.subarray(0, length));
    let index = 0;
    for (const [unit, versions] of this.#units) {
      const version = versions[(ofUnits[index] ?? 0) - 1];
      index += 1;
      const at = unit * this.unitBytes;
      if (version !== undefined && at < length) bytes.set(version.subarray(0, length - at), at);
    }
    return bytes;
  }

  #remember(from: number, to: number): void {
    const last = Math.floor((to - 1) / this.unitBytes);
    for (let unit = Math.floor(from / this.unitBytes); unit <= last; unit += 1) {
      const versions = this.#units.get(unit) ?? [];
      const version = this.#unitOf(this.#current, unit);
      const before = versions.at(-1) ?? this.#unitOf(this.#durable, unit);
      // Content that did not change is the same, kept or lost.
      if (Buffer.compare(version, before) === 0) continue;
      versions.push(version);
      this.#units.set(unit, versions);
    }
  }

  #unitOf(bytes: Uint8Array, unit: number): Uint8Array {
    const content = new Uint8Array(this.unitBytes);
    content.set(bytes.subarray(unit * this.unitBytes, (unit + 1) * this.unitBytes));
    return content;
  }

  #endOf(length: number): number {
    return (Math.floor(length / this.unitBytes) + 1) * this.unitBytes;
  }
}
