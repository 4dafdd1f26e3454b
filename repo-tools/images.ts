import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { ExpectedError } from '../core/errors.ts';
import type { ImageFormat } from '../core/tuf/names.ts';
import { rawMeter } from './raw-meter.ts';
import type { RawImage } from './raw-meter.ts';

export class ImageError extends ExpectedError<
  | 'image/unreadable'
  /** Somebody wrote to the file while it was read, so what was read may be of no build at all. */
  | 'image/changed'
> {}

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
  readonly raw: RawImage;
};

export type ImagePass = {
  /**
   * The file's bytes as they are stored, to be read once; a chunk's memory is used again for the next but one. Throws at
   * its end at the latest if they are not of the image's format (CompressionError) or changed meanwhile (ImageError).
   */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** What the pass found; only when `bytes` has ended. */
  readonly result: () => InspectedImage;
};

// Larger writes do not go faster, and cost the page cache large pieces of memory.
const CHUNK_BYTES = 256 * 1024;

export async function imageLength({ image, path }: ImageSource): Promise<number> {
  const file = await attempt({ image, path }, () => stat(path));
  if (file.isFile()) return file.size;
  throw new ImageError('image/unreadable', `image ${image}: ${path} is not a file`);
}

/** The one pass that every image gets: read, hashed as stored and raw, and handed to whoever uploads it. */
export function passOver(source: ImageSource, onBytes: (bytes: number) => void): ImagePass {
  const stored = createHash('sha256');
  let inspected: InspectedImage | undefined;
  async function* pass(): AsyncGenerator<Uint8Array, void, undefined> {
    await using meter = rawMeter(source.format);
    let length = 0;
    for await (const chunk of readImage(source)) {
      // The reader's next read and the consumer's write are under way while this thread hashes.
      const hashed = setImmediate().then(() => stored.update(chunk));
      const metered = meter.push(chunk);
      metered.catch(() => undefined);
      yield chunk;
      await Promise.all([hashed, metered]);
      length += chunk.length;
      onBytes(chunk.length);
    }
    const sha256 = stored.digest('hex');
    const raw = (await meter.end()) ?? { size: length, sha256 };
    inspected = { ...source, length, sha256, raw };
  }
  return {
    bytes: pass(),
    result: () => {
      if (inspected === undefined) throw new Error('the pass over an image has not ended');
      return inspected;
    },
  };
}

/** A pass for the hashes alone. */
export async function inspectImage(
  source: ImageSource,
  onBytes: (bytes: number) => void,
): Promise<InspectedImage> {
  const { bytes, result } = passOver(source, onBytes);
  for await (const _ of bytes);
  return result();
}

/** Reads one chunk ahead into two buffers in turn. */
async function* readImage(source: ImageSource): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await attempt(source, () => open(source.path));
  const read = (buffer: Buffer) => {
    const reading = attempt(source, () => handle.read(buffer, 0, buffer.length));
    reading.catch(() => undefined);
    return reading;
  };
  let [buffer, other] = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)];
  const before = await stampOf(source, handle);
  let next = read(buffer);
  try {
    for (;;) {
      const { bytesRead } = await next;
      if (bytesRead === 0) break;
      next = read(other);
      yield buffer.subarray(0, bytesRead);
      [buffer, other] = [other, buffer];
    }
    if ((await stampOf(source, handle)) !== before) {
      const { image, path } = source;
      throw new ImageError('image/changed', `image ${image}: ${path} changed while it was read`);
    }
  } finally {
    await Promise.allSettled([next]);
    await handle.close();
  }
}

async function stampOf(source: ImageSource, handle: FileHandle): Promise<string> {
  const { size, mtimeNs, ctimeNs } = await attempt(source, () => handle.stat({ bigint: true }));
  return `${size} ${mtimeNs} ${ctimeNs}`;
}

async function attempt<T>(
  { image, path }: Pick<ImageSource, 'image' | 'path'>,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw new ImageError('image/unreadable', `image ${image}: cannot read ${path}`, { cause });
  }
}
