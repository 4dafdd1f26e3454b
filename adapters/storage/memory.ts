import { createHash } from 'node:crypto';
import { exactSize } from './exact-size.ts';
import { checkName, checkPrefix, nameAtEnd } from './names.ts';
import { checkRange, spanOf } from './ranges.ts';
import { StorageError } from './storage.ts';
import type {
  ByteRange,
  ETag,
  ListedObject,
  ObjectStat,
  PutCondition,
  PutOptions,
  Storage,
  StoredObject,
  StreamName,
  StreamOptions,
} from './storage.ts';

type Entry = { readonly bytes: Uint8Array; readonly etag: ETag; readonly modifiedAt: Date };

/** Objects that live as long as this value; `initial` are there from the start. `now` tells when a put happens. */
export function createMemoryStorage(
  initial: Iterable<readonly [string, Uint8Array]> = [],
  now: () => Date = () => new Date(),
): Storage {
  return new MemoryStorage(initial, now);
}

class MemoryStorage implements Storage {
  readonly url = 'memory:';
  readonly #entries = new Map<string, Entry>();

  readonly #now: () => Date;

  constructor(initial: Iterable<readonly [string, Uint8Array]>, now: () => Date) {
    this.#now = now;
    for (const [name, bytes] of initial) {
      checkName(name);
      this.#store(name, bytes);
    }
  }

  async stat(name: string): Promise<ObjectStat> {
    const { bytes, etag } = this.#find(name);
    return { size: bytes.byteLength, etag };
  }

  async get(name: string, range?: ByteRange): Promise<StoredObject> {
    checkRange(name, range);
    const { bytes, etag } = this.#find(name);
    const { from, to } = spanOf(name, bytes.byteLength, range);
    return { size: bytes.byteLength, etag, body: once(bytes.slice(from, to)) };
  }

  async put(name: string, bytes: Uint8Array, { condition }: PutOptions): Promise<ETag> {
    checkName(name);
    this.#require(name, condition);
    return this.#store(name, bytes);
  }

  async putStream(
    name: StreamName,
    source: AsyncIterable<Uint8Array>,
    { size }: StreamOptions,
  ): Promise<ETag> {
    if (typeof name === 'string') checkName(name);
    const chunks: Uint8Array[] = [];
    for await (const chunk of exactSize(name, size, source)) chunks.push(Uint8Array.from(chunk));
    const final = nameAtEnd(name);
    this.#require(final, { kind: 'create-only' });
    return this.#store(final, Buffer.concat(chunks));
  }

  async *list(prefix: string): AsyncGenerator<ListedObject> {
    checkPrefix(prefix);
    const names = [...this.#entries.keys()].filter((name) => name.startsWith(prefix)).toSorted();
    for (const name of names) {
      const entry = this.#entries.get(name);
      if (entry !== undefined)
        yield { name, size: entry.bytes.byteLength, modifiedAt: entry.modifiedAt };
    }
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    this.#entries.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #find(name: string): Entry {
    checkName(name);
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new StorageError('storage/not-there', `there is no ${name}`);
    return entry;
  }

  #require(name: string, condition: PutCondition): void {
    const current = this.#entries.get(name);
    switch (condition.kind) {
      case 'create-only':
        if (current === undefined) return;
        throw new StorageError('storage/already-there', `${name} exists already`);
      case 'replace-if-unchanged':
        if (current?.etag === condition.etag) return;
        throw new StorageError('storage/changed', `${name} is not the object that was read`);
    }
  }

  #store(name: string, bytes: Uint8Array): ETag {
    const etag = createHash('sha256').update(bytes).digest('hex');
    this.#entries.set(name, { bytes: Uint8Array.from(bytes), etag, modifiedAt: this.#now() });
    return etag;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (bytes.byteLength > 0) yield bytes;
}
