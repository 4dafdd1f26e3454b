import { link, lstat, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ensureFolder, syncFolder } from './durable-folder.ts';
import { exactSize } from './exact-size.ts';
import { attempt, errnoOf, translateFileError } from './file-errors.ts';
import { withFileLock } from './file-lock.ts';
import { checkName, checkPrefix, isObjectName, nameAtEnd } from './names.ts';
import { readFileObject, statFile } from './object-file.ts';
import { checkRange } from './ranges.ts';
import { StorageError } from './storage.ts';
import type {
  ByteRange,
  ETag,
  ListedObject,
  ObjectStat,
  PutOptions,
  Storage,
  StoredObject,
  StreamName,
  StreamOptions,
} from './storage.ts';
import {
  canBeLinked,
  removeAbandoned,
  removeTemporary,
  writeTemporary,
} from './temporary-files.ts';

// No object name begins with a dot, so nothing in here is ever listed or served.
const PRIVATE_FOLDER = '.tidegate';

// How file systems without hard links answer link(2); EPERM may also be a want of permission.
const LINK_REFUSED: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
]);

/**
 * Objects as files under `folder`, an absolute path; what is missing of it is made by the first put. Any number of
 * processes may read and write at the same time. When opened for writing, it clears what killed writers left.
 */
export async function openFilesystemStorage({
  folder,
  access,
}: {
  readonly folder: string;
  readonly access: 'read' | 'write';
}): Promise<Storage> {
  const storage = new FilesystemStorage(folder);
  if (access === 'write') await storage.clear();
  return storage;
}

/**
 * A put writes and syncs a temporary file, gives it its name in one step, and syncs the folder.
 * Create-only: link(2) fails if the name is taken, whoever took it.
 * Replace-if-unchanged: compare and rename under a lock that the kernel releases when its holder dies. Deleting takes
 * the same lock, so that a name that was compared is still there when it is replaced.
 */
class FilesystemStorage implements Storage {
  readonly url: string;
  readonly #folder: string;
  readonly #temporary: string;
  readonly #lockFile: string;
  readonly #durableFolders = new Set<string>();
  /** Settles when nobody in this process waits for the lock any more: callers queue here before they poll. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.url = `file:${folder}`;
    this.#folder = folder;
    this.#temporary = join(folder, PRIVATE_FOLDER, 'tmp');
    this.#lockFile = join(folder, PRIVATE_FOLDER, 'lock');
  }

  async clear(): Promise<void> {
    await attempt(`clearing ${this.#temporary}`, () =>
      removeAbandoned(this.#temporary, Date.now()),
    );
  }

  async stat(name: string): Promise<ObjectStat> {
    return statFile(this.#pathOf(name), name);
  }

  async get(name: string, range?: ByteRange): Promise<StoredObject> {
    checkRange(name, range);
    return readFileObject(this.#pathOf(name), name, range);
  }

  async put(name: string, bytes: Uint8Array, { condition }: PutOptions): Promise<ETag> {
    const path = this.#pathOf(name);
    const temporary = await this.#write(one(bytes));
    try {
      const { etag } = await statFile(temporary, name);
      if (condition.kind === 'create-only') await this.#create(temporary, path, name);
      else await this.#replace(temporary, path, { name, etag: condition.etag });
      return etag;
    } finally {
      await removeTemporary(temporary);
    }
  }

  async putStream(
    name: StreamName,
    source: AsyncIterable<Uint8Array>,
    { size }: StreamOptions,
  ): Promise<ETag> {
    // Saves writing gigabytes for nothing; the link below decides.
    if (typeof name === 'string' && (await isThere(this.#pathOf(name), name))) {
      throw alreadyThere(name);
    }
    const temporary = await this.#write(exactSize(name, size, source));
    try {
      const final = nameAtEnd(name);
      const { etag } = await statFile(temporary, final);
      await this.#create(temporary, this.#pathOf(final), final);
      return etag;
    } finally {
      await removeTemporary(temporary);
    }
  }

  async *list(prefix: string): AsyncGenerator<ListedObject> {
    checkPrefix(prefix);
    yield* this.#listFolder('', prefix);
  }

  async delete(name: string): Promise<void> {
    const path = this.#pathOf(name);
    if (!(await isThere(path, name))) return;
    await this.#locked(`deleting ${name}`, async () => {
      if (!(await isThere(path, name))) return;
      await unlink(path);
      await syncFolder(dirname(path));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #pathOf(name: string): string {
    checkName(name);
    return join(this.#folder, name);
  }

  async #write(source: AsyncIterable<Uint8Array>): Promise<string> {
    await attempt(`making ${this.#temporary}`, () =>
      ensureFolder(this.#temporary, this.#durableFolders),
    );
    return writeTemporary(this.#temporary, source);
  }

  async #create(temporary: string, path: string, name: string): Promise<void> {
    const what = `creating ${name}`;
    await attempt(what, () => ensureFolder(dirname(path), this.#durableFolders));
    try {
      await link(temporary, path);
    } catch (error) {
      throw await explainLink(error, { temporary, path, name });
    }
    await attempt(what, () => syncFolder(dirname(path)));
  }

  async #replace(
    temporary: string,
    path: string,
    { name, etag }: { readonly name: string; readonly etag: ETag },
  ): Promise<void> {
    await this.#locked(`replacing ${name}`, async () => {
      const current = await statFile(path, name).catch(undefinedIfNotThere);
      if (current?.etag !== etag) {
        throw new StorageError('storage/changed', `${name} is not the object that was read`);
      }
      await rename(temporary, path);
      await syncFolder(dirname(path));
    });
  }

  async #locked(what: string, action: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(() =>
      attempt(what, async () => {
        await ensureFolder(dirname(this.#lockFile), this.#durableFolders);
        await withFileLock(this.#lockFile, action);
      }),
    );
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async *#listFolder(folder: string, prefix: string): AsyncGenerator<ListedObject> {
    const entries = await attempt(`listing ${this.url}/${folder}`, () =>
      readdir(join(this.#folder, folder), { withFileTypes: true }).catch(noneIfMissing),
    );
    // With its slash a folder sorts where its objects belong: `a-b` before `a/b`.
    const names = entries
      .filter((entry) => entry.isFile() || entry.isDirectory())
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .toSorted();
    for (const name of names) {
      if (name.endsWith('/')) {
        const mayHold = name.startsWith(prefix) || prefix.startsWith(name);
        if (mayHold && isObjectName(name.slice(0, -1))) yield* this.#listFolder(name, prefix);
      } else if (name.startsWith(prefix) && isObjectName(name)) {
        const stats = await attempt(`listing ${name}`, () =>
          lstat(join(this.#folder, name)).catch(undefinedIfMissing),
        );
        if (stats !== undefined) yield { name, size: stats.size, modifiedAt: stats.mtime };
      }
    }
  }
}

async function explainLink(
  error: unknown,
  { temporary, path, name }: { readonly temporary: string; readonly path: string; name: string },
): Promise<unknown> {
  if (errnoOf(error) === 'EEXIST' && (await isThere(path, name))) return alreadyThere(name, error);
  if (LINK_REFUSED.has(errnoOf(error)) && !(await canBeLinked(temporary))) {
    return new StorageError('storage/unsafe', `the file system of ${path} has no hard links`, {
      cause: error,
      hints: ['keep the repository on a Linux file system such as ext4 or XFS, or in S3'],
    });
  }
  return translateFileError(error, `creating ${name}`);
}

async function isThere(path: string, name: string): Promise<boolean> {
  return (await statFile(path, name).catch(undefinedIfNotThere)) !== undefined;
}

function alreadyThere(name: string, cause?: unknown): StorageError {
  return new StorageError('storage/already-there', `${name} exists already`, { cause });
}

function undefinedIfNotThere(error: unknown): undefined {
  if (!(error instanceof StorageError && error.code === 'storage/not-there')) throw error;
}

function undefinedIfMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

function noneIfMissing(error: unknown): [] {
  if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
  return [];
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
