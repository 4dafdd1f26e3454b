import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { openFilesystemStorage } from '../../../adapters/storage/filesystem.ts';
import type { PutOptions, Storage } from '../../../adapters/storage/storage.ts';
import { collect, generated } from '../../support/bytes.ts';
import { startStorageWorker } from '../../support/workers.ts';
import { describeStorageContract } from './contract.ts';

const CREATE: PutOptions = { condition: { kind: 'create-only' }, cacheControl: 'immutable' };
const MIB = 1024 * 1024;

const scratch = mkdtempSync(join(tmpdir(), 'tidegate-storage-'));
let folders = 0;

function newFolder(): string {
  folders += 1;
  return join(scratch, `${folders}`, 'repository');
}

async function setup(): Promise<{ readonly folder: string; readonly storage: Storage }> {
  const folder = newFolder();
  return { folder, storage: await openFilesystemStorage({ folder, access: 'write' }) };
}

async function namesOf(storage: Storage, prefix = ''): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(prefix)) names.push(name);
  return names;
}

afterAll(() => rmSync(scratch, { recursive: true }));

describeStorageContract('filesystem', async () => (await setup()).storage);

describe('openFilesystemStorage', () => {
  it('makes nothing before the first put', async () => {
    const { folder, storage } = await setup();
    expect(await namesOf(storage)).toEqual([]);
    await storage.delete('a');
    await expect(storage.get('a')).rejects.toMatchObject({ code: 'storage/not-there' });
    expect(existsSync(folder)).toBe(false);
  });

  it('keeps an object as a file of its name that others can serve', async () => {
    const { folder, storage } = await setup();
    await storage.put('metadata/1.root.json', Buffer.from('{}'), CREATE);
    expect((await readFile(join(folder, 'metadata', '1.root.json'))).toString()).toBe('{}');
    expect(storage.url).toBe(`file:${folder}`);
  });

  it('leaves no temporary file behind, whether a put succeeds or is refused', async () => {
    const { folder, storage } = await setup();
    const etag = await storage.put('a', Buffer.from('x'), CREATE);
    await expect(storage.put('a', Buffer.from('y'), CREATE)).rejects.toThrow();
    for (const current of [etag, 'stale']) {
      await storage
        .put('a', Buffer.from('z'), {
          condition: { kind: 'replace-if-unchanged', etag: current },
          cacheControl: 'no-cache',
        })
        .catch(() => undefined);
    }
    const wrongSize = { size: 9, cacheControl: 'immutable' } as const;
    await expect(storage.putStream('b', generated(8), wrongSize)).rejects.toThrow();
    const tooLate = { size: 8, cacheControl: 'immutable' } as const;
    for (const late of ['a', '../outside']) {
      await expect(storage.putStream(() => late, generated(8), tooLate)).rejects.toThrow();
    }
    expect(readdirSync(join(folder, '.tidegate', 'tmp'))).toEqual([]);
  });

  it('neither lists nor serves what a killed writer left, and clears it after a day', async () => {
    const { folder, storage } = await setup();
    await storage.put('a', Buffer.from('x'), CREATE);
    const leftover = join(folder, '.tidegate', 'tmp', 'leftover');
    const fresh = join(folder, '.tidegate', 'tmp', 'fresh');
    await writeFile(leftover, 'half');
    await writeFile(fresh, 'half of a writer that is still at it');
    const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 60 * 60;
    await utimes(leftover, twoDaysAgo, twoDaysAgo);
    expect(await namesOf(storage)).toEqual(['a']);
    await openFilesystemStorage({ folder, access: 'read' });
    expect(existsSync(leftover)).toBe(true);
    await openFilesystemStorage({ folder, access: 'write' });
    expect([existsSync(leftover), existsSync(fresh)]).toEqual([false, true]);
  });

  it('neither lists nor reads a symbolic link, and does not write through one', async () => {
    const { folder, storage } = await setup();
    const outside = join(scratch, 'outside');
    await writeFile(outside, 'secret');
    await mkdir(folder, { recursive: true });
    await symlink(outside, join(folder, 'link'));
    expect(await namesOf(storage)).toEqual([]);
    await expect(storage.get('link')).rejects.toMatchObject({ code: 'storage/not-there' });
    await expect(storage.put('link', Buffer.from('x'), CREATE)).rejects.toMatchObject({
      code: 'storage/name',
    });
    await storage.delete('link');
    expect((await readFile(outside)).toString()).toBe('secret');
  });

  it('skips files whose names no object can have', async () => {
    const { folder, storage } = await setup();
    await storage.put('a', Buffer.from('x'), CREATE);
    await writeFile(join(folder, 'with space'), 'x');
    await writeFile(join(folder, '.hidden'), 'x');
    await mkdir(join(folder, '.git'));
    await writeFile(join(folder, '.git', 'config'), 'x');
    expect(await namesOf(storage)).toEqual(['a']);
  });

  it('refuses an object where a folder is, and a folder where an object is', async () => {
    const { storage } = await setup();
    await storage.put('a/b', Buffer.from('x'), CREATE);
    for (const name of ['a', 'a/b/c']) {
      await expect(storage.put(name, Buffer.from('x'), CREATE)).rejects.toMatchObject({
        code: 'storage/name',
      });
    }
    expect(await namesOf(storage)).toEqual(['a/b']);
  });

  it('refuses a file as its folder', async () => {
    const folder = newFolder();
    await mkdir(join(folder, '..'), { recursive: true });
    await writeFile(folder, 'x');
    await expect(
      (async () => {
        const storage = await openFilesystemStorage({ folder, access: 'write' });
        await storage.put('a', Buffer.from('x'), CREATE);
      })(),
    ).rejects.toMatchObject({ code: 'storage/name' });
  });

  it('says storage/denied where the system lets nobody write', async () => {
    // The kernel's own tree takes no folders, not even from root.
    const storage = await openFilesystemStorage({ folder: '/sys/tidegate', access: 'write' });
    await expect(storage.put('a', Buffer.from('x'), CREATE)).rejects.toMatchObject({
      code: 'storage/denied',
    });
  });

  it('reads a large object as it was when it was asked for, or says that it has changed', async () => {
    const { storage } = await setup();
    const etag = await storage.put('big', Buffer.alloc(3 * MIB, 1), CREATE);
    const { body } = await storage.get('big');
    await storage.put('big', Buffer.alloc(3 * MIB, 2), {
      condition: { kind: 'replace-if-unchanged', etag },
      cacheControl: 'no-cache',
    });
    await expect(collect(body)).rejects.toMatchObject({ code: 'storage/changed' });
  });

  it('finishes reading a large object that is replaced meanwhile', async () => {
    const { storage } = await setup();
    const etag = await storage.put('big', Buffer.alloc(3 * MIB, 1), CREATE);
    const { body } = await storage.get('big');
    let size = 0;
    for await (const chunk of body) {
      if (size === 0) {
        await storage.put('big', Buffer.alloc(3 * MIB, 2), {
          condition: { kind: 'replace-if-unchanged', etag },
          cacheControl: 'no-cache',
        });
      }
      expect(chunk.every((byte) => byte === 1)).toBe(true);
      size += chunk.byteLength;
    }
    expect(size).toBe(3 * MIB);
  });
});

describe('several processes on one folder', () => {
  it('create one object once, whoever is first', async () => {
    const folder = newFolder();
    await using stack = new AsyncDisposableStack();
    const workers = ['one', 'two', 'three', 'four'].map((text) => ({
      text,
      worker: stack.use(startStorageWorker(['create', `file:${folder}`, 'deep/prize', text])),
    }));
    for (const { worker } of workers) await worker.ended();
    const winners = workers.filter(({ worker }) => worker.lines[0] === 'created');
    const losers = workers.filter(({ worker }) => worker.lines[0] === 'storage/already-there');
    expect([winners.length, losers.length]).toEqual([1, 3]);
    expect((await readFile(join(folder, 'deep/prize'))).toString()).toBe(winners[0]?.text);
  });

  it('lose no increment of a counter while some of them are killed at any moment', async () => {
    const { folder, storage } = await setup();
    await storage.put('counter', Buffer.from('[]'), CREATE);
    const perWorker = 25;
    await using stack = new AsyncDisposableStack();
    const killedAfter = [3, 7, 12, 18, undefined, undefined];
    const workers = killedAfter.map((after, index) => ({
      after,
      id: `worker-${index}`,
      worker: stack.use(
        startStorageWorker(['count', `file:${folder}`, `worker-${index}`, `${perWorker}`]),
      ),
    }));
    await Promise.all(
      workers.map(async ({ after, worker }) => {
        if (after !== undefined) {
          await worker.printed(after);
          worker.kill();
        }
        await worker.ended();
      }),
    );
    const { body } = await storage.get('counter');
    const authors: unknown = JSON.parse((await collect(body)).toString());
    for (const { after, id, worker } of workers) {
      const kept = Array.isArray(authors) ? authors.filter((author) => author === id).length : -1;
      const acknowledged = worker.lines.length;
      expect(kept).toBeGreaterThanOrEqual(acknowledged);
      // A killed one may have been between its put and its word about it.
      expect(kept).toBeLessThanOrEqual(acknowledged + (after === undefined ? 0 : 1));
      if (after === undefined) expect(acknowledged).toBe(perWorker);
    }
    expect(await namesOf(storage)).toEqual(['counter']);
  });

  it('says storage/full when a limit ends a stream, and leaves nothing', async () => {
    const folder = newFolder();
    // 2048 blocks of 1 KiB: the largest file that this process may write.
    const wrapper = ['bash', '-c', 'ulimit -f 2048 && exec "$@"', 'limited'];
    await using worker = startStorageWorker(['stream', `file:${folder}`, 'big', '4'], { wrapper });
    await worker.ended();
    expect(worker.lines).toEqual(['storage/full']);
    expect(existsSync(join(folder, 'big'))).toBe(false);
    expect(readdirSync(join(folder, '.tidegate', 'tmp'))).toEqual([]);
  });

  it('stream in memory that does not grow with the object', async () => {
    const folder = newFolder();
    const peakMiBOf = async (sizeMiB: string): Promise<number> => {
      await using worker = startStorageWorker(['stream', `file:${folder}`, sizeMiB, sizeMiB]);
      await worker.ended();
      return Number(worker.lines[0]);
    };
    const small = await peakMiBOf('8');
    // Buffers that wait for the collector come to some 100 MiB on a busy machine, whatever the size.
    expect(await peakMiBOf('512')).toBeLessThan(small + 256);
  });
});
