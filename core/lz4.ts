import { ExpectedError } from './errors.ts';
import { XxHash32, xxHash32 } from './xxhash32.ts';

export class Lz4Error extends ExpectedError<
  /** Not an LZ4 frame, or broken inside. */
  | 'lz4/damaged'
  /** The input ends in the middle of a frame. */
  | 'lz4/truncated'
  /** A frame that needs a dictionary, or of another version. */
  | 'lz4/unsupported'
> {}

const MAGIC = 0x184d2204;
/** Frames that decoders skip: 0x184D2A50 to 0x184D2A5F. */
const SKIPPABLE_MAGIC = 0x184d2a50;
const WINDOW_BYTES = 65_536;
/** Up to here a loop over bytes is faster than a call that copies. */
const SHORT_BYTES = 32;
const BLOCK_MAX_BYTES: ReadonlyMap<number, number> = new Map([
  [4, 1 << 16],
  [5, 1 << 18],
  [6, 1 << 20],
  [7, 1 << 22],
]);

/** Yields how many bytes it needs next, and is given exactly those; they are its own only until it yields again. */
type Parser<Result = void> = Generator<number, Result, Uint8Array>;

type FrameHeader = {
  readonly blockMax: number;
  readonly areBlocksLinked: boolean;
  readonly hasBlockChecksums: boolean;
  readonly hasContentChecksum: boolean;
  readonly contentSize: number | null;
};

/**
 * Decodes LZ4 frames (LZ4 Frame Format 1.6), also several in a row, from chunks of any size. Memory is bounded by two
 * blocks of at most 4 MiB. Throws Lz4Error.
 */
export class Lz4Decoder {
  readonly #parser = this.#frames();
  #block: Uint8Array | null = null;
  /** What the parser waits for, as far as it came. */
  #pending = new Uint8Array();
  /** The block that is decoded, behind what it may refer back to. */
  #window = new Uint8Array();
  #filled = 0;
  #needed = 0;
  #decodedFrames = 0;
  #isInFrame = false;

  constructor() {
    this.#advance(new Uint8Array());
  }

  /** The raw bytes that these bytes complete, block by block as they are asked for; each is its reader's until the next. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let rest = chunk;
    for (;;) {
      const missing = this.#needed - this.#filled;
      if (rest.length < missing) {
        this.#keep(rest);
        return;
      }
      const part = rest.subarray(0, missing);
      rest = rest.subarray(missing);
      this.#advance(this.#filled === 0 ? part : this.#completed(part));
      if (this.#block !== null) yield this.#block;
      this.#block = null;
    }
  }

  /** The input is over. Throws `lz4/truncated` unless it ended behind a frame. */
  end(): void {
    if (this.#isInFrame || this.#filled > 0 || this.#decodedFrames === 0) {
      throw new Lz4Error('lz4/truncated', 'the LZ4 frame ends too early');
    }
  }

  #advance(bytes: Uint8Array): void {
    this.#needed = this.#parser.next(bytes).value ?? 0;
  }

  #keep(part: Uint8Array): void {
    if (this.#pending.length < this.#needed) this.#pending = new Uint8Array(this.#needed);
    this.#pending.set(part, this.#filled);
    this.#filled += part.length;
  }

  #completed(part: Uint8Array): Uint8Array {
    this.#pending.set(part, this.#filled);
    this.#filled = 0;
    return this.#pending.subarray(0, this.#needed);
  }

  *#frames(): Parser {
    for (;;) {
      this.#isInFrame = false;
      const magic = word(yield 4, 0);
      this.#isInFrame = true;
      if (magic === MAGIC) yield* this.#frame(yield* header());
      else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) yield* skipped();
      else
        throw new Lz4Error('lz4/damaged', `not an LZ4 frame: it begins with ${magic.toString(16)}`);
      this.#decodedFrames += 1;
    }
  }

  *#frame({ blockMax, ...frame }: FrameHeader): Parser {
    const checksum = frame.hasContentChecksum ? new XxHash32() : null;
    // One for all frames: thousands of empty ones must not ask for thousands of buffers.
    if (this.#window.length < WINDOW_BYTES + blockMax) {
      this.#window = new Uint8Array(WINDOW_BYTES + blockMax);
    }
    const buffer = this.#window;
    let [history, end] = [0, 0];
    let size = 0;
    for (;;) {
      const mark = word(yield 4, 0);
      if (mark === 0) break;
      // Only now: the reader had the block in this memory until it asked for more.
      history = Math.min(end, WINDOW_BYTES);
      if (frame.areBlocksLinked) buffer.copyWithin(0, end - history, end);
      const length = mark & 0x7fffffff;
      const isStored = mark >>> 31 === 1;
      if (length > blockMax)
        throw damaged(`a block of ${length} bytes, at most ${blockMax} may be`);
      const bytes = yield length + (frame.hasBlockChecksums ? 4 : 0);
      const block = bytes.subarray(0, length);
      if (frame.hasBlockChecksums && word(bytes, length) !== xxHash32(block)) {
        throw damaged('a block does not match its checksum');
      }
      const window = frame.areBlocksLinked ? history : 0;
      if (isStored) buffer.set(block, window);
      end = isStored
        ? window + length
        : decodeBlock(block, buffer, { start: window, limit: window + blockMax });
      const raw = buffer.subarray(window, end);
      checksum?.update(raw);
      size += raw.length;
      this.#block = raw;
    }
    if (checksum !== null && word(yield 4, 0) !== checksum.digest()) {
      throw damaged('the content does not match its checksum');
    }
    if (frame.contentSize !== null && frame.contentSize !== size) {
      throw damaged(`the content must have ${frame.contentSize} bytes, got ${size}`);
    }
  }
}

function* header(): Parser<FrameHeader> {
  const start = (yield 2).slice();
  const [flags = 0, block = 0] = start;
  if (flags >>> 6 !== 1) throw new Lz4Error('lz4/unsupported', `LZ4 frame version ${flags >>> 6}`);
  if ((flags & 1) === 1) throw new Lz4Error('lz4/unsupported', 'an LZ4 frame with a dictionary');
  const blockMax = BLOCK_MAX_BYTES.get((block >>> 4) & 7);
  if (blockMax === undefined || (flags & 2) !== 0 || (block & 0x8f) !== 0) {
    throw damaged('reserved bits in the frame header are set');
  }
  const hasContentSize = (flags & 8) !== 0;
  const sizeBytes = hasContentSize ? (yield 8).slice() : new Uint8Array();
  const [checksum] = yield 1;
  const descriptor = new Uint8Array([...start, ...sizeBytes]);
  if (((xxHash32(descriptor) >>> 8) & 0xff) !== checksum) {
    throw damaged('the frame header does not match its checksum');
  }
  return {
    blockMax,
    areBlocksLinked: (flags & 32) === 0,
    hasBlockChecksums: (flags & 16) !== 0,
    hasContentChecksum: (flags & 4) !== 0,
    contentSize: hasContentSize ? word(sizeBytes, 0) + word(sizeBytes, 4) * 2 ** 32 : null,
  };
}

function* skipped(): Parser {
  let left = word(yield 4, 0);
  for (; left > 0; left -= Math.min(left, WINDOW_BYTES)) yield Math.min(left, WINDOW_BYTES);
}

/** Decodes one block behind `start`, where what lies before may be referred to; returns where it ends. */
function decodeBlock(
  block: Uint8Array,
  buffer: Uint8Array,
  { start, limit }: { readonly start: number; readonly limit: number },
): number {
  let from = 0;
  let to = start;
  const extended = (nibble: number): number => {
    let length = nibble;
    if (nibble < 15) return length;
    for (;;) {
      const more = block[from];
      if (more === undefined) throw damaged('a block ends inside a length');
      from += 1;
      length += more;
      if (more < 255) return length;
    }
  };
  while (from < block.length) {
    const token = block[from] ?? 0;
    from += 1;
    const literals = extended(token >>> 4);
    if (from + literals > block.length || to + literals > limit) {
      throw damaged('literals reach beyond their block');
    }
    if (literals > SHORT_BYTES) {
      buffer.set(block.subarray(from, from + literals), to);
    } else {
      for (let at = 0; at < literals; at += 1) buffer[to + at] = block[from + at] ?? 0;
    }
    from += literals;
    to += literals;
    if (from === block.length) return to;
    const offset = (block[from] ?? 0) | ((block[from + 1] ?? 0) << 8);
    from += 2;
    if (from > block.length || offset === 0 || offset > to) {
      throw damaged('a match refers to bytes that are not there');
    }
    const matched = extended(token & 15) + 4;
    if (to + matched > limit) throw damaged('a match reaches beyond its block');
    copyMatch(buffer, to, offset, matched);
    to += matched;
  }
  throw damaged('a block ends without literals');
}

/** Where source and destination overlap the bytes repeat: each copy doubles what may be copied next. */
function copyMatch(buffer: Uint8Array, to: number, offset: number, length: number): void {
  const from = to - offset;
  const end = to + length;
  if (length <= SHORT_BYTES) {
    for (let at = to; at < end; at += 1) buffer[at] = buffer[at - offset] ?? 0;
    return;
  }
  for (let at = to; at < end;) {
    const count = Math.min(at - from, end - at);
    buffer.copyWithin(at, from, from + count);
    at += count;
  }
}

function damaged(what: string): Lz4Error {
  return new Lz4Error('lz4/damaged', `LZ4: ${what}`);
}

function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  );
}
