import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Updater } from 'tuf-js';
import type { Storage } from '../../adapters/storage/storage.ts';
import { serveStorage } from './serve-storage.ts';

export type TufClient = AsyncDisposable & {
  /** Follows the repository to its present state and returns the named targets; null for one that is not published. */
  read(...names: readonly string[]): Promise<readonly (string | null)[]>;
};

/** tuf-js with a host's long memory: it starts at `firstRoot` and refuses whatever goes back later. */
export async function openTufClient(storage: Storage, firstRoot: Uint8Array): Promise<TufClient> {
  const server = await serveStorage(storage);
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-tuf-client-'));
  await writeFile(join(folder, 'root.json'), firstRoot);

  async function readOne(updater: Updater, name: string): Promise<string | null> {
    const info = await updater.getTargetInfo(name);
    if (info === undefined) return null;
    return readFile(await updater.downloadTarget(info, join(folder, 'download')), 'utf8');
  }

  return {
    async read(...names) {
      const updater = new Updater({
        metadataDir: folder,
        metadataBaseUrl: `${server.url}/metadata`,
        targetBaseUrl: `${server.url}/targets`,
      });
      await updater.refresh();
      const texts = [];
      for (const name of names) texts.push(await readOne(updater, name));
      return texts;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
