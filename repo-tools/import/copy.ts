import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { decompress } from '../../adapters/compression/decompress.ts';
import type { SourceTarget } from '../../core/import/listing.ts';
import type { ImageFormat } from '../../core/tuf/names.ts';
import type { SourceLayout } from './layout.ts';
import { SourceError } from './source-files.ts';

/** Size and hash of the raw image, as the release document states them. */
export type RawImage = { readonly size: number; readonly sha256: string };

/** No image of an operating system is larger, so a decompression that yields more is a bomb: 1 TiB. */
const MAX_RAW_BYTES = 2 ** 40;
const MAX_SMALL_BYTES = 16 * 1024 * 1024;

/** A target's bytes from the source; a wrong byte makes the stream throw `import/tampered` at its end at the latest. */
export async function* readSourceTarget(
  { targets, targetsPrefix }: SourceLayout,
  { name, length, sha256 }: SourceTarget,
  hashPrefixed: boolean,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = `${targetsPrefix}${hashPrefixed ? `${sha256}.` : ''}${name}`;
  const body = await targets.find(file);
  if (body === null) {
    throw new SourceError('import/unreadable', `there is no ${file} in ${targets.url}`);
  }
  yield* verifiedBytes(file, body, { length, sha256 });
}

/** Throws `import/tampered` behind the last byte at the latest, unless the bytes are these. */
export async function* verifiedBytes(
  file: string,
  body: AsyncIterable<Uint8Array>,
  { length, sha256 }: Pick<SourceTarget, 'length' | 'sha256'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > length) break;
    hash.update(chunk);
    yield chunk;
  }
  const got = hash.digest('hex');
  if (size !== length || got !== sha256) {
    throw new SourceError(
      'import/tampered',
      `${file} must have ${length} bytes with SHA-256 ${sha256}, got ${size} bytes` +
        (size > length ? ' or more' : ` with ${got}`),
    );
  }
}

/** A small target, whole. Throws SourceError. */
export async function readSmallTarget(
  layout: SourceLayout,
  target: SourceTarget,
  hashPrefixed: boolean,
): Promise<Uint8Array> {
  if (target.length > MAX_SMALL_BYTES) {
    throw new SourceError(
      'import/unreadable',
      `${target.name} may have ${MAX_SMALL_BYTES} bytes, got ${target.length}`,
    );
  }
  const chunks = [];
  for await (const chunk of readSourceTarget(layout, target, hashPrefixed)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Hashes the raw image of a stored one. */
export async function inspectRaw(
  format: ImageFormat,
  stored: AsyncIterable<Uint8Array>,
): Promise<RawImage> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of decompress(format, stored, { limit: MAX_RAW_BYTES })) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, sha256: hash.digest('hex') };
}

/**
 * Passes stored bytes on and hashes the raw image beside them, at the pace of the slower side. An image that is not of its
 * format makes the stream throw, so that whoever stores it keeps nothing.
 */
export function meterRaw(
  format: ImageFormat,
  source: AsyncIterable<Uint8Array>,
): {
  readonly stored: AsyncGenerator<Uint8Array, void, undefined>;
  /** Settles once `stored` was read to its end. */
  readonly raw: Promise<RawImage>;
} {
  const side = new PassThrough({ highWaterMark: 1 << 20 });
  const inspected = inspectRaw(format, side);
  // Whoever reads `stored` meets the failure there; it must not count as unhandled meanwhile.
  inspected.catch(() => {});
  const failed = inspected.then(
    () => new Promise<never>(() => {}),
    (error: unknown) => {
      throw error;
    },
  );
  failed.catch(() => {});
  async function* stored() {
    try {
      for await (const chunk of source) {
        const drained = side.write(chunk) ? Promise.resolve() : once(side, 'drain');
        await Promise.race([drained, failed]);
        yield chunk;
      }
      side.end();
      await inspected;
    } finally {
      side.destroy();
    }
  }
  return { stored: stored(), raw: inspected };
}
