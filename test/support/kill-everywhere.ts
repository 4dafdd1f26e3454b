import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, jest } from '@jest/globals';
import type { Storage } from '../../adapters/storage/storage.ts';
import type { FaultPhase } from './faulty-storage.ts';
import type { MemoryPlace, Objects } from './memory-place.ts';
import { mortalStorage } from './mortal-storage.ts';
import { openProposalMeaning, publishedMeaning, tornObjects } from './published-meaning.ts';
import { openTufClient } from './tuf-client.ts';

export type KillOrder = {
  readonly argv: readonly string[];
  /** The storage that the command changes. */
  readonly url?: string;
  /** Files that it makes in the folder. */
  readonly makes?: readonly string[];
  /** When the objects that are there were put. */
  readonly putAt?: Date;
  /** Nothing but what an undisturbed run leaves may be there after the second run. */
  readonly isExact?: boolean;
};

/** Names of what an undisturbed run puts and deletes; tests say how many there are, so that none is lost unseen. */
export type Killed = { readonly changes: readonly string[]; readonly gaps: number };

const ROOT_1 = 'metadata/1.root.json';

/** Hosts read the clock by themselves; all else is left as it is, so that nothing waits in vain. */
export function standStill(now: Date): void {
  const doNotFake = [
    ...(['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate'] as const),
    ...(['clearImmediate', 'setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] as const),
  ];
  jest.useFakeTimers({ now, doNotFake });
}

/**
 * Kills the command before and after each of its puts and deletions. Each time a TUF client of the first root sees one of
 * the states that an undisturbed run goes through, no object is torn, and the same command again leads to where the undisturbed
 * run led.
 */
export async function killEverywhere(place: MemoryPlace, order: KillOrder): Promise<Killed> {
  const { argv, url = 'file:R', makes = [], putAt, isExact = false } = order;
  const begin = await place.objects(url);
  const clean = async (): Promise<Storage> => {
    for (const name of makes) await rm(join(place.workplace.folder, name), { force: true });
    return place.reset(url, begin, putAt);
  };
  const undisturbed = await runUndisturbed(place, url, argv, await clean());
  for (let n = 1; n <= undisturbed.changes.length; n += 1) {
    for (const phase of ['before', 'after'] as const) {
      const inner = await clean();
      await killOnce(place, { url, argv, inner, n, phase });
      const what = `${phase} change ${n}, ${undisturbed.changes[n - 1]}`;
      const seen = await seenBy(inner);
      expect([what, undisturbed.states]).toEqual([what, expect.arrayContaining([seen])]);
      expect([what, await tornObjects(inner)]).toEqual([what, []]);
      await using client = await clientOf(inner);
      if (seen === 'repository/half-applied')
        await expect(client?.read('manifest.json')).rejects.toBeDefined();
      else expect(await client?.read('manifest.json')).not.toEqual([null]);
      const isMade = () => makes.every((name) => existsSync(join(place.workplace.folder, name)));
      const wasDone = isMade() && isSame(await wholeMeaning(inner), undisturbed.end);
      place.put(url, inner);
      const again = await place.workplace.run(...argv);
      if (!wasDone) expect([what, again]).toEqual([what, expect.objectContaining({ code: 0 })]);
      expect(again.stderr.match(/^tidegate: error: /gm) ?? []).toHaveLength(
        again.code === 0 ? 0 : 1,
      );
      expect([what, await wholeMeaning(inner)]).toEqual([what, undisturbed.end]);
      expect([what, isMade()]).toEqual([what, true]);
      if (isExact)
        expect([what, Object.keys(await place.objects(url))]).toEqual([what, undisturbed.names]);
      await using later = client === null ? await clientOf(inner) : null;
      const manifest = await (client ?? later)?.read('manifest.json');
      if (undisturbed.hasRepository) expect([what, manifest]).toEqual([what, [expect.any(String)]]);
    }
  }
  const gaps = undisturbed.states.filter((state) => state === 'repository/half-applied').length;
  return { changes: undisturbed.changes, gaps };
}

async function runUndisturbed(
  place: MemoryPlace,
  url: string,
  argv: readonly string[],
  inner: Storage,
) {
  const states: unknown[] = [await seenBy(inner)];
  const watched = mortalStorage(inner);
  watched.onChange = async (name) => {
    if (/timestamp\.json$|\.root\.json$/.test(name)) states.push(await seenBy(inner));
  };
  place.put(url, watched);
  await place.workplace.must(...argv);
  const objects: Objects = await place.objects(url);
  return {
    states,
    changes: watched.changes,
    end: await wholeMeaning(inner),
    names: Object.keys(objects),
    hasRepository: 'metadata/timestamp.json' in objects,
  };
}

async function killOnce(
  place: MemoryPlace,
  {
    url,
    argv,
    inner,
    n,
    phase,
  }: {
    readonly url: string;
    readonly argv: readonly string[];
    readonly inner: Storage;
    readonly n: number;
    readonly phase: FaultPhase;
  },
): Promise<void> {
  const mortal = mortalStorage(inner);
  const death = mortal.killAt(n, phase).then(() => 'killed');
  place.put(url, mortal);
  const end = place.workplace.run(...argv).then(({ code, stderr }) => `exit ${code}: ${stderr}`);
  expect([n, phase, await Promise.race([death, end])]).toEqual([n, phase, 'killed']);
}

async function seenBy(storage: Storage): Promise<unknown> {
  return publishedMeaning(storage, await firstRootOf(storage));
}

async function wholeMeaning(storage: Storage): Promise<unknown> {
  return [await seenBy(storage), await openProposalMeaning(storage)];
}

/** None while there is no repository that a host could follow. */
async function clientOf(storage: Storage) {
  const root = await firstRootOf(storage);
  const isThere = await storage.stat('metadata/timestamp.json').then(
    () => true,
    () => false,
  );
  return root === undefined || !isThere ? null : openTufClient(storage, root);
}

async function firstRootOf(storage: Storage): Promise<Uint8Array | undefined> {
  for await (const { name } of storage.list(ROOT_1)) {
    const chunks = [];
    for await (const chunk of (await storage.get(name)).body) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
  return undefined;
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
