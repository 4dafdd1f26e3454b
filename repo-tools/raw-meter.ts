import { createHash } from 'node:crypto';
import { TransformStream } from 'node:stream/web';
import { decompress } from '../adapters/compression/decompress.ts';
import type { ImageFormat } from '../core/tuf/names.ts';

/** What an image is once it lies in its slot. */
export type RawImage = { readonly size: number; readonly sha256: string };

/** Reads along with whoever has the stored bytes, and finds out what comes out of them. */
export type RawMeter = AsyncDisposable & {
  /** Resolves when the next chunk may come. Throws CompressionError if the bytes are not of their format. */
  push(chunk: Uint8Array): Promise<void>;
  /** Null for the raw format, where the stored bytes are the raw ones and are not hashed twice. */
  end(): Promise<RawImage | null>;
};

/** No image of an operating system is larger, so a decompression that yields more is a bomb: 1 TiB. */
const MAX_RAW_BYTES = 2 ** 40;

/** Ends its decoder when it is disposed before its end. */
export function rawMeter(format: ImageFormat): RawMeter {
  if (format === 'raw') {
    return { push: async () => {}, end: async () => null, [Symbol.asyncDispose]: async () => {} };
  }
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const raw = measure(format, readable);
  raw.catch(() => undefined);
  // A decoder that has thrown leaves its input, which is all that the writer could tell of it.
  async function orItsFailure(write: Promise<void>): Promise<void> {
    try {
      await write;
    } catch (error) {
      await raw;
      throw error;
    }
  }
  return {
    // The decoder may hold on to its input longer than the chunk's owner allows.
    push: (chunk) => orItsFailure(writer.write(Uint8Array.from(chunk))),
    end: async () => {
      await orItsFailure(writer.close());
      return raw;
    },
    [Symbol.asyncDispose]: async () => {
      await writer.abort().catch(() => undefined);
      await Promise.allSettled([raw]);
    },
  };
}

async function measure(format: ImageFormat, source: AsyncIterable<Uint8Array>): Promise<RawImage> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of decompress(format, source, { limit: MAX_RAW_BYTES })) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, sha256: hash.digest('hex') };
}
