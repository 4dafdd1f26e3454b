import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type * as z from 'zod';
import { ensureFolder, syncFolder } from '../adapters/storage/durable-folder.ts';
import { errnoOf } from '../adapters/storage/file-errors.ts';
import { onDisk } from './on-disk.ts';

/** What reading a checked file found: its value, no file, or a file that is not what was written. */
export type Checked<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'none' }
  | { readonly kind: 'damaged' };

/**
 * Replaces a file in one step: afterwards, even after a power loss, it is the old one or the whole new one. Folders above it
 * are made. One writer at a time per file. Throws `agent/full`, `agent/disk`.
 */
export function writeDurable(path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
  return onDisk(`writing ${path}`, async () => {
    const folder = dirname(path);
    await ensureFolder(folder, new Set());
    // One fixed name, so that what a killed writer left is overwritten by the next.
    const temporary = `${path}.tmp`;
    try {
      await writeSynced(temporary, bytes, mode);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await syncFolder(folder);
  });
}

/** The bytes of a file, null if there is none. Throws `agent/disk`. */
export function readIfThere(path: string): Promise<Buffer | null> {
  return onDisk(`reading ${path}`, () => readFile(path).catch(nullIfMissing));
}

/** Writes a value as JSON behind a checksum of it, like `writeDurable`. */
export async function writeChecked(path: string, value: unknown): Promise<void> {
  const json = JSON.stringify(value);
  await writeDurable(path, Buffer.from(`${sha256(json)}\n${json}\n`));
}

/** Reads what `writeChecked` wrote. The checksum is against accidents: whoever can write the file can also forge it. */
export async function readChecked<T>(path: string, schema: z.ZodType<T>): Promise<Checked<T>> {
  const text = (await readIfThere(path))?.toString('utf8');
  if (text === undefined) return { kind: 'none' };
  const json = text.slice(text.indexOf('\n') + 1, -1);
  if (text !== `${sha256(json)}\n${json}\n`) return { kind: 'damaged' };
  const result = schema.safeParse(parse(json));
  return result.success ? { kind: 'value', value: result.data } : { kind: 'damaged' };
}

async function writeSynced(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const handle = await open(path, 'w', mode);
  try {
    // Neither the umask nor a file that was left behind decides who may read it.
    await handle.chmod(mode);
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function nullIfMissing(error: unknown): null {
  if (errnoOf(error) === 'ENOENT') return null;
  throw error;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
