import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { decompress } from '../adapters/compression/decompress.ts';
import { ExpectedError } from '../core/errors.ts';
import type { ImageFormat } from '../core/tuf/names.ts';

export class ImageError extends ExpectedError<'image/unreadable'> {}

/** A file to publish as an image, as the command line names it. */
export type ImageSource = {
  readonly image: string;
  readonly path: string;
  readonly format: ImageFormat;
};

/** An image file after one pass over it: hashed as stored and as it will lie in the slot. */
export type InspectedImage = ImageSource & {
  readonly length: number;
  readonly sha256: string;
  readonly raw: { readonly size: number; readonly sha256: string };
};

/** No image of an operating system is larger, so a decompression that yields more is a bomb: 1 TiB. */
const MAX_RAW_BYTES = 2 ** 40;
const CHUNK_BYTES = 1 << 20;

export async function imageLength({ image, path }: ImageSource): Promise<number> {
  try {
    const file = await stat(path);
    if (file.isFile()) return file.size;
  } catch (cause) {
    throw new ImageError('image/unreadable', `image ${image}: cannot read ${path}`, { cause });
  }
  throw new ImageError('image/unreadable', `image ${image}: ${path} is not a file`);
}

/** Reads the file once, through decompression. Throws ImageError, or CompressionError if it is not of its format. */
export async function inspectImage(
  source: ImageSource,
  onBytes: (bytes: number) => void,
): Promise<InspectedImage> {
  const stored = createHash('sha256');
  const raw = createHash('sha256');
  let length = 0;
  let size = 0;
  async function* hashed() {
    for await (const chunk of readImage(source)) {
      stored.update(chunk);
      length += chunk.length;
      onBytes(chunk.length);
      yield chunk;
    }
  }
  for await (const chunk of decompress(source.format, hashed(), { limit: MAX_RAW_BYTES })) {
    raw.update(chunk);
    size += chunk.length;
  }
  return {
    ...source,
    length,
    sha256: stored.digest('hex'),
    raw: { size, sha256: raw.digest('hex') },
  };
}

/** The file's bytes as they are stored. */
export async function* readImage({
  image,
  path,
}: Pick<ImageSource, 'image' | 'path'>): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
      if (chunk instanceof Uint8Array) yield chunk;
    }
  } catch (cause) {
    throw new ImageError('image/unreadable', `image ${image}: cannot read ${path}`, { cause });
  }
}
