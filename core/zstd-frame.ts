import { ExpectedError } from './errors.ts';

export class ZstdFrameError extends ExpectedError<
  /** Not a zstd frame, or one that ends too early. */
  | 'zstd/damaged'
  /** Something lies behind the frame. */
  | 'zstd/trailing'
> {}

const MAGIC = 0xfd2fb528;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const RLE_BLOCK = 1;

/**
 * Follows the bytes of one zstd frame (RFC 8878, 3.1.1) without decoding it. Node's decoder drops whatever follows the end of
 * a frame in the same chunk, so an image of several frames would come out cut, without an error, depending on the chunks.
 */
export class ZstdFrame {
  readonly #parser = parse();
  #left = 0;
  #small: number[] = [];
  #isSkipping = false;
  #isComplete = false;

  constructor() {
    this.#next([]);
  }

  /** Throws `zstd/trailing` for the first byte behind the frame. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#isComplete) {
        throw new ZstdFrameError(
          'zstd/trailing',
          'there is more behind the zstd frame; pack it as one frame',
        );
      }
      const part = chunk.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      if (!this.#isSkipping) this.#small.push(...part);
      if (this.#left === 0) this.#next(this.#small);
    }
  }

  end(): void {
    if (!this.#isComplete)
      throw new ZstdFrameError('zstd/damaged', 'the zstd frame ends too early');
  }

  #next(bytes: readonly number[]): void {
    const { value, done } = this.#parser.next(bytes);
    this.#small = [];
    this.#isComplete = done === true;
    if (value === undefined) return;
    this.#left = value.count;
    this.#isSkipping = value.isSkipped;
    if (value.count === 0) this.#next([]);
  }
}

type Step = { readonly count: number; readonly isSkipped: boolean };

function* parse(): Generator<Step, undefined, readonly number[]> {
  const read = (count: number): Step => ({ count, isSkipped: false });
  const skip = (count: number): Step => ({ count, isSkipped: true });
  if (littleEndian(yield read(4)) !== MAGIC) {
    throw new ZstdFrameError('zstd/damaged', 'not a zstd frame');
  }
  const [descriptor = 0] = yield read(1);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >>> 6;
  const sizeBytes = CONTENT_SIZE_BYTES[sizeFlag] || (isSingleSegment ? 1 : 0);
  const dictionaryBytes = DICTIONARY_ID_BYTES[descriptor & 3] ?? 0;
  yield skip((isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes);
  for (let isLast = false; !isLast;) {
    const header = littleEndian(yield read(3));
    isLast = (header & 1) === 1;
    yield skip(((header >>> 1) & 3) === RLE_BLOCK ? 1 : header >>> 3);
  }
  if ((descriptor & 4) !== 0) yield skip(4);
  return undefined;
}

function littleEndian(bytes: readonly number[]): number {
  return bytes.reduce((sum, byte, index) => sum + byte * 2 ** (8 * index), 0);
}
