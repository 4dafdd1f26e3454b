import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openHttpStorage } from '../../adapters/storage/http.ts';
import { StorageError } from '../../adapters/storage/storage.ts';
import { ExpectedError } from '../../core/errors.ts';

export class SourceError extends ExpectedError<
  /** No repository is where it should be. */
  | 'import/no-source'
  /** The source cannot be read. */
  | 'import/unreadable'
  /** Following it from the given root fails: signatures, versions, lengths or hashes. */
  | 'import/untrusted'
  /** It is expired. */
  | 'import/expired'
  /** A target is not what the source's signed metadata says. */
  | 'import/tampered'
> {}

/** Files of a foreign repository below a folder or a URL. Links are followed: pubsys and tuftool make them. */
export type SourceFiles = {
  readonly url: string;
  /** The bytes of a file, streamed once, or null if there is none. */
  readonly find: (name: string) => Promise<AsyncIterable<Uint8Array> | null>;
  /** Names of the folders in a folder; null where they cannot be listed. */
  readonly folders: (name: string) => Promise<readonly string[] | null>;
};

const CHUNK_BYTES = 1 << 20;

/** `http(s)://…`, `file:FOLDER` or a folder, an absolute path. */
export function openSourceFiles(location: string): SourceFiles {
  return /^https?:/.test(location) ? overHttp(location) : inFolder(location);
}

function inFolder(folder: string): SourceFiles {
  const pathOf = (name: string) => {
    // Names come from a manifest that somebody else wrote.
    if (name.split('/').some((part) => part === '' || part === '.' || part === '..')) {
      throw new SourceError('import/unreadable', `${JSON.stringify(name)} is no file name`);
    }
    return join(folder, name);
  };
  return {
    url: `file:${folder}`,
    find: async (name) => {
      const path = pathOf(name);
      return (await isFile(path)) ? chunksOf(path) : null;
    },
    folders: async (name) => {
      try {
        const entries = await readdir(name === '' ? folder : pathOf(name), { withFileTypes: true });
        return entries
          .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
          .map((entry) => entry.name)
          .toSorted();
      } catch {
        return [];
      }
    },
  };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function* chunksOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
      if (chunk instanceof Uint8Array) yield chunk;
    }
  } catch (cause) {
    throw new SourceError('import/unreadable', `cannot read ${path}`, { cause });
  }
}

function overHttp(url: string): SourceFiles {
  const storage = openHttpStorage({ url });
  return {
    url,
    find: async (name) => {
      try {
        return (await storage.get(name)).body;
      } catch (error) {
        if (error instanceof StorageError && error.code === 'storage/not-there') return null;
        throw error;
      }
    },
    folders: async () => null,
  };
}
