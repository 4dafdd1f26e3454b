import { randomUUID } from 'node:crypto';
import { link, lstat, open, readdir, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt, errnoOf } from './file-errors.ts';

// A running upload touches its file all the time; one that nobody touched for a day was left by a killed writer.
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/** Writes and syncs a new file in the folder and returns its path; a failure leaves none. */
export async function writeTemporary(
  folder: string,
  source: AsyncIterable<Uint8Array>,
): Promise<string> {
  const path = join(folder, randomUUID());
  const handle = await attempt(`making ${path}`, () => open(path, 'wx'));
  try {
    try {
      // Only our own calls are translated: what the source throws goes to the caller as it is.
      for await (const chunk of source) {
        await attempt(`writing ${path}`, () => writeAll(handle, chunk));
      }
      await attempt(`syncing ${path}`, () => handle.sync());
    } finally {
      await handle.close();
    }
    return path;
  } catch (error) {
    await removeTemporary(path);
    throw error;
  }
}

// FileHandle.writeFile would cut a chunk in pieces and wait for each.
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    at += (await handle.write(bytes, at)).bytesWritten;
  }
}

/** Removes a temporary file, if it is there. What cannot be removed now is removed as abandoned later. */
export async function removeTemporary(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}

/** Removes what writers that were killed left in the folder, which need not exist. */
export async function removeAbandoned(folder: string, now: number): Promise<void> {
  const paths = (await readdir(folder).catch(noneIfMissing)).map((entry) => join(folder, entry));
  for (const path of paths) {
    const stats = await lstat(path).catch(undefinedIfMissing);
    if (stats !== undefined && now - stats.mtimeMs > ABANDONED_AFTER_MS) {
      await unlink(path).catch(undefinedIfMissing);
    }
  }
}

/** Whether the file system of this file knows hard links, which not all do. */
export async function canBeLinked(path: string): Promise<boolean> {
  const second = `${path}.link`;
  try {
    await link(path, second);
    return true;
  } catch {
    return false;
  } finally {
    await removeTemporary(second);
  }
}

function noneIfMissing(error: unknown): string[] {
  undefinedIfMissing(error);
  return [];
}

function undefinedIfMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
