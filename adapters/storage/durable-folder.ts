import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './file-errors.ts';

/**
 * Makes the folder and those above it, each durable in its parent before it is used. `durable` remembers which are,
 * because a folder that is there may have been made a moment ago by a process that has not synced it yet.
 */
export async function ensureFolder(folder: string, durable: Set<string>): Promise<void> {
  const parent = dirname(folder);
  if (!(await makeFolder(folder))) {
    await ensureFolder(parent, durable);
    await mkdir(folder).catch(unlessItExists);
    durable.delete(folder);
  }
  if (durable.has(folder)) return;
  await syncFolder(parent).catch(async (error: unknown) => {
    if (errnoOf(error) !== 'EINVAL' || !(await isMountPoint(folder))) throw error;
  });
  durable.add(folder);
}

/**
 * What is mounted on a folder of a read-only image, as squashfs, needs no name made durable there, and such file systems refuse
 * to sync.
 */
async function isMountPoint(folder: string): Promise<boolean> {
  return (await stat(folder)).dev !== (await stat(dirname(folder))).dev;
}

/** False when the folder above is missing. */
async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder).catch(unlessItExists);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && dirname(folder) !== folder) return false;
    throw error;
  }
}

// A file of this name fails at its first use as a folder.
function unlessItExists(error: unknown): void {
  if (errnoOf(error) !== 'EEXIST') throw error;
}

/** Makes names that were added to or removed from the folder survive a power loss. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
