import { openStorage } from '../adapters/storage/open.ts';
import type { Storage } from '../adapters/storage/storage.ts';
import type { Io } from '../adapters/terminal/io.ts';

/** Opens the storage that an argument names, the way this command line opens them; `read` can neither put nor delete. */
export async function openStorageFor(
  io: Io,
  url: string,
  access: 'read' | 'write',
): Promise<Storage> {
  const { cwd, env } = io;
  return (io.openStorage ?? openStorage)(url, { access, cwd, env });
}
