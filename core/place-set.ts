/** Some of the places 0 to `size` - 1, in few bits; the next one is found without a look at those between. */
export class PlaceSet {
  /** Each bit of a level says whether the word of that index in the level below has any. */
  readonly #levels: readonly Uint32Array[];

  constructor(size: number) {
    const levels: Uint32Array[] = [];
    for (let bits = size; levels.length === 0 || bits > 1;) {
      bits = Math.ceil(bits / 32);
      levels.push(new Uint32Array(bits));
    }
    this.#levels = levels;
  }

  add(place: number): void {
    let at = place;
    for (const words of this.#levels) {
      words[at >>> 5] = wordAt(words, at >>> 5) | (1 << (at & 31));
      at >>>= 5;
    }
  }

  delete(place: number): void {
    let at = place;
    for (const words of this.#levels) {
      const rest = wordAt(words, at >>> 5) & ~(1 << (at & 31));
      words[at >>> 5] = rest;
      if (rest !== 0) return;
      at >>>= 5;
    }
  }

  /** The first place in the set from this one on, and after the last the first of all; null if the set is empty. */
  nextFrom(place: number): number | null {
    return this.#notBefore(place) ?? this.#notBefore(0);
  }

  #notBefore(place: number): number | null {
    let at = place;
    for (const [level, words] of this.#levels.entries()) {
      const index = at >>> 5;
      const ahead = wordAt(words, index) & (-1 << (at & 31));
      if (ahead !== 0) return this.#lowest(level, index * 32 + lowestBit(ahead));
      at = index + 1;
    }
    return null;
  }

  /** The first place below a bit of a level. */
  #lowest(level: number, bit: number): number {
    return this.#levels
      .slice(0, level)
      .reduceRight((at, words) => at * 32 + lowestBit(wordAt(words, at)), bit);
  }
}

function wordAt(words: Uint32Array, index: number): number {
  return words[index] ?? 0;
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
