import { pipeline, Readable } from 'node:stream';
import { constants, createZstdDecompress } from 'node:zlib';
import { ExpectedError } from '../../core/errors.ts';
import { Lz4Decoder, Lz4Error } from '../../core/lz4.ts';
import type { ImageFormat } from '../../core/tuf/names.ts';
import { ZstdFrame, ZstdFrameError } from '../../core/zstd-frame.ts';

export class CompressionError extends ExpectedError<
  /** The bytes are not of their format, damaged, or end too early. */
  | 'compression/damaged'
  /** More raw bytes than the limit: a bomb, or not the image that was announced. */
  | 'compression/limit'
> {}

export type DecompressOptions = {
  /** Raw bytes that may come out at most. */
  readonly limit: number;
};

/** Frames that want a larger window are refused: 128 MiB, what `zstd -19` uses at most and every decoder takes. */
const ZSTD_WINDOW_LOG_MAX = 27;

/** The format that a file's name tells: `.lz4`, `.zst` or `.zstd`, else raw. */
export function formatOfFile(path: string): ImageFormat {
  if (path.endsWith('.lz4')) return 'lz4';
  return path.endsWith('.zst') || path.endsWith('.zstd') ? 'zstd' : 'raw';
}

/**
 * The raw bytes of a stored image, streamed in bounded memory; a chunk is its reader's until the next is asked for. Throws
 * CompressionError; what `source` throws is thrown as it is.
 */
export async function* decompress(
  format: ImageFormat,
  source: AsyncIterable<Uint8Array>,
  { limit }: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const chunk of rawBytes(format, source)) {
    size += chunk.length;
    if (size > limit) {
      throw new CompressionError('compression/limit', `more than ${limit} raw bytes come out`);
    }
    yield chunk;
  }
}

function rawBytes(
  format: ImageFormat,
  source: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  switch (format) {
    case 'raw':
      return source;
    case 'lz4':
      return unlz4(source);
    case 'zstd':
      return unzstd(source);
  }
}

async function* unlz4(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new Lz4Decoder();
  try {
    for await (const chunk of source) yield* decoder.push(chunk);
    decoder.end();
  } catch (error) {
    throw error instanceof Lz4Error ? damaged(error) : error;
  }
}

async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = Readable.from(oneFrame(source), { objectMode: false });
  const output = createZstdDecompress({
    params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
  });
  // `pipeline` destroys both when one fails; the error comes out of the loop below.
  pipeline(input, output, () => {});
  try {
    for await (const chunk of output) {
      if (chunk instanceof Uint8Array) yield chunk;
    }
  } catch (error) {
    throw error instanceof ZstdFrameError || isZlibError(error) ? damaged(error) : error;
  }
}

async function* oneFrame(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const frame = new ZstdFrame();
  for await (const chunk of source) {
    frame.push(chunk);
    yield chunk;
  }
  frame.end();
}

function isZlibError(error: unknown): error is { readonly message: string } {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'string' &&
    (error.code.startsWith('ZSTD_') || error.code.startsWith('Z_'))
  );
}

function damaged(cause: { readonly message: string }): CompressionError {
  return new CompressionError('compression/damaged', `not what its format says: ${cause.message}`, {
    cause,
  });
}
