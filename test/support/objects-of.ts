import type { Storage } from '../../adapters/storage/storage.ts';

/** Everything in a storage, by name. */
export async function objectsOf(storage: Storage): Promise<Readonly<Record<string, Uint8Array>>> {
  const objects: Record<string, Uint8Array> = {};
  for await (const { name } of storage.list('')) {
    const chunks = [];
    for await (const chunk of (await storage.get(name)).body) chunks.push(chunk);
    objects[name] = Buffer.concat(chunks);
  }
  return objects;
}
