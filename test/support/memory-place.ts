import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { readOnly } from '../../adapters/storage/read-only.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { makeWorkplace } from './cli.ts';
import type { Workplace } from './cli.ts';
import { objectsOf } from './objects-of.ts';

export type Objects = Readonly<Record<string, Uint8Array>>;

/** A workplace whose repositories live in memory, by URL, so that each try of a command begins with a cheap copy. */
export class MemoryPlace implements AsyncDisposable {
  readonly workplace: Workplace;
  readonly #storages = new Map<string, Storage>();

  constructor(workplace: Workplace) {
    this.workplace = workplace;
    workplace.openStorage = async (url, { access }) =>
      access === 'read' ? readOnly(this.at(url)) : this.at(url);
  }

  at(url: string): Storage {
    const storage = this.#storages.get(url) ?? createMemoryStorage();
    this.#storages.set(url, storage);
    return storage;
  }

  put(url: string, storage: Storage): void {
    this.#storages.set(url, storage);
  }

  /** A new storage with these objects, all put at this time; it takes the place of what was there. */
  reset(url: string, objects: Objects, putAt: Date = this.workplace.now): Storage {
    const storage = createMemoryStorage(Object.entries(objects), () => putAt);
    this.put(url, storage);
    return storage;
  }

  objects(url: string): Promise<Objects> {
    return objectsOf(this.at(url));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workplace[Symbol.asyncDispose]();
  }
}

export async function makeMemoryPlace(): Promise<MemoryPlace> {
  return new MemoryPlace(await makeWorkplace());
}
