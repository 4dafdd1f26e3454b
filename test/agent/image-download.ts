import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import type { ImageFormat } from '../../core/tuf/names.ts';
import { downloadImage } from '../../agent/download.ts';
import type { ImageSource } from '../../agent/download.ts';
import type { FetchOptions } from '../../agent/remote-file.ts';
import { directorySlots } from '../../agent/slots/directory.ts';
import { collect } from '../support/bytes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

export function pack(format: ImageFormat, raw: Buffer): Buffer {
  if (format === 'raw') return raw;
  return format === 'lz4'
    ? compressFrameSync(raw, { contentChecksum: true })
    : zstdCompressSync(raw);
}

/** What signed metadata says of an image of these bytes, stored as these. */
export function described(
  url: string,
  format: ImageFormat,
  raw: Buffer,
  stored: Buffer,
): ImageSource {
  return {
    file: { url, length: stored.length, sha256: sha256(stored) },
    image: { format, size: raw.length, sha256: sha256(raw) },
  };
}

export type Downloads = AsyncDisposable & {
  readonly waits: number[];
  readonly fetched: () => number;
  run(source: ImageSource, options?: FetchOptions): Promise<void>;
  written(): Promise<Buffer>;
};

/** Downloads into cleared slots on a real disk; waits are noted, not waited. */
export async function downloads(): Promise<Downloads> {
  const folder = await temporaryFolder();
  const slots = directorySlots(folder.path);
  await slots.clearInactive();
  const waits: number[] = [];
  let fetched = 0;
  return {
    waits,
    fetched: () => fetched,
    run: (source, options = {}) =>
      downloadImage(slots, 'root', source, {
        waiting: {
          random: () => 0.5,
          pause: (ms) => {
            waits.push(ms);
            return Promise.resolve();
          },
        },
        onBytes: (count) => {
          fetched += count;
        },
        ...options,
      }),
    written: () => collect(slots.readImage('root')),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
