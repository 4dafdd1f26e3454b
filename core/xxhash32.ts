const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

/** xxHash with 32 bits and seed 0, as LZ4 frames use it: a checksum against accidents, not against attackers. */
export class XxHash32 {
  #v1 = (PRIME_1 + PRIME_2) | 0;
  #v2 = PRIME_2 | 0;
  #v3 = 0;
  #v4 = -PRIME_1 | 0;
  #length = 0;
  readonly #rest = new Uint8Array(16);
  #restLength = 0;

  update(bytes: Uint8Array): this {
    this.#length += bytes.length;
    let at = 0;
    if (this.#restLength > 0) {
      at = Math.min(16 - this.#restLength, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#restLength);
      this.#restLength += at;
      if (this.#restLength < 16) return this;
      this.#stripes(this.#rest, 0, 16);
      this.#restLength = 0;
    }
    const end = at + ((bytes.length - at) & ~15);
    this.#stripes(bytes, at, end);
    this.#rest.set(bytes.subarray(end));
    this.#restLength = bytes.length - end;
    return this;
  }

  /** An unsigned 32-bit number. */
  digest(): number {
    let hash =
      this.#length >= 16
        ? (rotate(this.#v1, 1) +
            rotate(this.#v2, 7) +
            rotate(this.#v3, 12) +
            rotate(this.#v4, 18)) |
          0
        : PRIME_5;
    hash = (hash + this.#length) | 0;
    let at = 0;
    for (; at + 4 <= this.#restLength; at += 4) {
      hash = (hash + Math.imul(word(this.#rest, at), PRIME_3)) | 0;
      hash = Math.imul(rotate(hash, 17), PRIME_4);
    }
    for (; at < this.#restLength; at += 1) {
      hash = (hash + Math.imul(this.#rest[at] ?? 0, PRIME_5)) | 0;
      hash = Math.imul(rotate(hash, 11), PRIME_1);
    }
    hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
    hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #stripes(bytes: Uint8Array, start: number, end: number): void {
    let [v1, v2, v3, v4] = [this.#v1, this.#v2, this.#v3, this.#v4];
    for (let at = start; at < end; at += 16) {
      v1 = round(v1, word(bytes, at));
      v2 = round(v2, word(bytes, at + 4));
      v3 = round(v3, word(bytes, at + 8));
      v4 = round(v4, word(bytes, at + 12));
    }
    [this.#v1, this.#v2, this.#v3, this.#v4] = [v1, v2, v3, v4];
  }
}

export function xxHash32(bytes: Uint8Array): number {
  return new XxHash32().update(bytes).digest();
}

function round(value: number, input: number): number {
  return Math.imul(rotate((value + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}
