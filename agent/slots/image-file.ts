import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../../adapters/storage/durable-folder.ts';
import { onDisk } from '../on-disk.ts';
import { HandleWriter } from './image-writer.ts';
import type { ImageWriter } from './slots.ts';

const READ_BYTES = 1024 * 1024;

/** Starts an image file of exactly `size` bytes. */
export async function openImageFile(path: string, size: number): Promise<ImageWriter> {
  const handle = await onDisk(`making ${path}`, () => open(path, 'w', 0o600));
  return new HandleWriter({
    ...{ path, at: 0, size, handle },
    empty: () => handle.truncate(0),
    syncName: () => syncFolder(dirname(path)),
  });
}

export async function* readImageFile(path: string): AsyncGenerator<Uint8Array> {
  const handle = await onDisk(`opening ${path}`, () => open(path, 'r'));
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      const { bytesRead } = await onDisk(`reading ${path}`, () => handle.read(buffer));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
