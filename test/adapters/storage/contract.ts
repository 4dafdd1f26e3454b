import { createHash, randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { PutOptions, Storage } from '../../../adapters/storage/storage.ts';
import { collect, generated } from '../../support/bytes.ts';

const CREATE: PutOptions = { condition: { kind: 'create-only' }, cacheControl: 'immutable' };

function replacing(etag: string): PutOptions {
  return { condition: { kind: 'replace-if-unchanged', etag }, cacheControl: 'no-cache' };
}

/** Every sentence of the Storage interface. `open` returns a writable storage without objects. */
export function describeStorageContract(label: string, open: () => Promise<Storage>): void {
  describe(`the storage contract: ${label}`, () => {
    const opened: Storage[] = [];

    async function setup(): Promise<Storage> {
      const storage = await open();
      opened.push(storage);
      return storage;
    }

    afterEach(async () => {
      for (const storage of opened.splice(0)) await storage[Symbol.asyncDispose]();
    });

    describe('reading', () => {
      it('gives back the bytes that were put, whole, with their size', async () => {
        const storage = await setup();
        const bytes = Buffer.from('{"signed":{}}');
        await storage.put('metadata/1.root.json', bytes, CREATE);
        const object = await storage.get('metadata/1.root.json');
        expect(object.size).toBe(bytes.byteLength);
        expect(await collect(object.body)).toEqual(bytes);
      });

      it('keeps an empty object', async () => {
        const storage = await setup();
        await storage.put('empty', new Uint8Array(), CREATE);
        const object = await storage.get('empty');
        expect(object.size).toBe(0);
        expect(await collect(object.body)).toEqual(Buffer.alloc(0));
        await expect(storage.get('empty', { start: 0 })).rejects.toMatchObject({
          code: 'storage/range',
        });
      });

      it('tells a missing object from every other failure', async () => {
        const storage = await setup();
        await storage.put('here/it-is', Buffer.from('x'), CREATE);
        for (const name of ['missing', 'here', 'here/it-is-not', 'a/b/c']) {
          await expect(storage.stat(name)).rejects.toMatchObject({ code: 'storage/not-there' });
          await expect(storage.get(name)).rejects.toMatchObject({ code: 'storage/not-there' });
          await expect(storage.get(name, { start: 1 })).rejects.toMatchObject({
            code: 'storage/not-there',
          });
        }
      });

      it.each([
        { range: { start: 0, end: 0 }, expected: '0' },
        { range: { start: 3, end: 5 }, expected: '345' },
        { range: { start: 7 }, expected: '789' },
        { range: { start: 9, end: 9 }, expected: '9' },
        { range: { start: 8, end: 1000 }, expected: '89' },
        { range: { start: 0 }, expected: '0123456789' },
      ])('gives the bytes of $range and the size of the whole', async ({ range, expected }) => {
        const storage = await setup();
        await storage.put('digits', Buffer.from('0123456789'), CREATE);
        const object = await storage.get('digits', range);
        expect(object.size).toBe(10);
        expect((await collect(object.body)).toString()).toBe(expected);
      });

      it.each([
        { range: { start: 10 } },
        { range: { start: 10, end: 20 } },
        { range: { start: 1000 } },
        { range: { start: 5, end: 4 } },
        { range: { start: -1 } },
        { range: { start: 0.5 } },
      ])('refuses the range $range of ten bytes', async ({ range }) => {
        const storage = await setup();
        await storage.put('digits', Buffer.from('0123456789'), CREATE);
        await expect(storage.get('digits', range)).rejects.toMatchObject({ code: 'storage/range' });
      });

      it('lets a reader leave early and goes on working', async () => {
        const storage = await setup();
        const size = 3 * 1024 * 1024;
        await storage.putStream('big', generated(size), { size, cacheControl: 'immutable' });
        for (let round = 0; round < 60; round += 1) {
          const { body } = await storage.get('big');
          for await (const chunk of body) {
            expect(chunk.byteLength).toBeGreaterThan(0);
            break;
          }
        }
        expect((await storage.stat('big')).size).toBe(size);
      });
    });

    describe('the ETag', () => {
      it('is the same from put, stat, get and a ranged get', async () => {
        const storage = await setup();
        const etag = await storage.put('a', Buffer.from('one'), CREATE);
        expect((await storage.stat('a')).etag).toBe(etag);
        const whole = await storage.get('a');
        const part = await storage.get('a', { start: 1 });
        await collect(whole.body);
        await collect(part.body);
        expect([whole.etag, part.etag]).toEqual([etag, etag]);
      });

      it('is the same from putStream, stat and get', async () => {
        const storage = await setup();
        for (const size of [5, 2 * 1024 * 1024]) {
          const name = `streamed-${size}`;
          const options = { size, cacheControl: 'immutable' } as const;
          const etag = await storage.putStream(name, generated(size), options);
          const object = await storage.get(name);
          await collect(object.body);
          expect([(await storage.stat(name)).etag, object.etag]).toEqual([etag, etag]);
        }
      });

      it('changes with the content, even when size and moment are the same', async () => {
        const storage = await setup();
        let etag = await storage.put('a', Buffer.from('0000'), CREATE);
        const seen = new Set([etag]);
        for (let round = 1; round < 20; round += 1) {
          etag = await storage.put('a', Buffer.from(`${1000 + round}`), replacing(etag));
          seen.add(etag);
        }
        expect(seen.size).toBe(20);
      });
    });

    describe('create-only', () => {
      it('refuses a name that is taken and keeps the first object', async () => {
        const storage = await setup();
        const etag = await storage.put('a', Buffer.from('first'), CREATE);
        await expect(storage.put('a', Buffer.from('second'), CREATE)).rejects.toMatchObject({
          code: 'storage/already-there',
        });
        await expect(storage.put('a', Buffer.from('first'), CREATE)).rejects.toMatchObject({
          code: 'storage/already-there',
        });
        const object = await storage.get('a');
        expect((await collect(object.body)).toString()).toBe('first');
        expect(object.etag).toBe(etag);
      });

      it('takes the name of a deleted object', async () => {
        const storage = await setup();
        await storage.put('a', Buffer.from('first'), CREATE);
        await storage.delete('a');
        await storage.put('a', Buffer.from('second'), CREATE);
        expect((await collect((await storage.get('a')).body)).toString()).toBe('second');
      });

      it.each([{ size: 6 }, { size: 200_000 }])(
        'has exactly one winner of 20 that race with $size bytes',
        async ({ size }) => {
          const storage = await setup();
          const results = await Promise.allSettled(
            Array.from({ length: 20 }, (_, racer) =>
              storage.put('deep/er/prize', Buffer.alloc(size, 65 + racer), CREATE),
            ),
          );
          const winners = results.flatMap(({ status }, racer) =>
            status === 'fulfilled' ? [racer] : [],
          );
          expect(codesOf(results)).toEqual(Array(19).fill('storage/already-there'));
          expect(winners).toHaveLength(1);
          const { body } = await storage.get('deep/er/prize');
          expect(await collect(body)).toEqual(Buffer.alloc(size, 65 + (winners[0] ?? -1)));
        },
      );
    });

    describe('replace-if-unchanged', () => {
      it('replaces the object that was read', async () => {
        const storage = await setup();
        const first = await storage.put('a', Buffer.from('first'), CREATE);
        const second = await storage.put('a', Buffer.from('second one'), replacing(first));
        expect(second).not.toBe(first);
        expect(await storage.stat('a')).toEqual({ size: 10, etag: second });
      });

      it('refuses a stale ETag and keeps the newer object', async () => {
        const storage = await setup();
        const first = await storage.put('a', Buffer.from('first'), CREATE);
        await storage.put('a', Buffer.from('second'), replacing(first));
        await expect(
          storage.put('a', Buffer.from('third'), replacing(first)),
        ).rejects.toMatchObject({ code: 'storage/changed' });
        expect((await collect((await storage.get('a')).body)).toString()).toBe('second');
      });

      it('refuses where there is no object, or no longer one', async () => {
        const storage = await setup();
        const etag = await storage.put('a', Buffer.from('first'), CREATE);
        await storage.delete('a');
        for (const name of ['a', 'never']) {
          await expect(
            storage.put(name, Buffer.from('again'), replacing(etag)),
          ).rejects.toMatchObject({ code: 'storage/changed' });
          await expect(storage.stat(name)).rejects.toMatchObject({ code: 'storage/not-there' });
        }
      });

      it('has exactly one winner of 20 that race from the same ETag', async () => {
        const storage = await setup();
        const etag = await storage.put('prize', Buffer.from('start'), CREATE);
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, (_, racer) =>
            storage.put('prize', Buffer.from(`racer ${racer}`), replacing(etag)),
          ),
        );
        expect(codesOf(results)).toEqual(Array(19).fill('storage/changed'));
        const winner = results.findIndex(({ status }) => status === 'fulfilled');
        const { body } = await storage.get('prize');
        expect((await collect(body)).toString()).toBe(`racer ${winner}`);
      });

      it('loses nothing of a counter that 8 loops increment by reading and writing', async () => {
        const storage = await setup();
        await storage.put('counter', Buffer.from('0'), CREATE);
        const [loops, increments] = [8, 5];
        await Promise.all(
          Array.from({ length: loops }, async () => {
            for (let done = 0; done < increments;) {
              const { body, etag } = await storage.get('counter');
              const next = Number((await collect(body)).toString()) + 1;
              try {
                await storage.put('counter', Buffer.from(`${next}`), replacing(etag));
                done += 1;
              } catch (error) {
                expect(error).toMatchObject({ code: 'storage/changed' });
              }
            }
          }),
        );
        const { body } = await storage.get('counter');
        expect((await collect(body)).toString()).toBe(`${loops * increments}`);
      });

      it('shows a reader the old or the new object, never a part', async () => {
        const storage = await setup();
        const size = 100_000;
        let etag = await storage.put('a', Buffer.alloc(size, 0), CREATE);
        const reader = (async () => {
          for (let reads = 0; reads < 30; reads += 1) {
            const bytes = await collect((await storage.get('a')).body);
            expect(bytes.byteLength).toBe(size);
            expect(bytes.every((byte) => byte === bytes[0])).toBe(true);
          }
        })();
        for (let round = 1; round <= 20; round += 1) {
          etag = await storage.put('a', Buffer.alloc(size, round), replacing(etag));
        }
        await reader;
      });
    });

    describe('putStream', () => {
      it('stores many MiB exactly, readable from any offset', async () => {
        const storage = await setup();
        const size = 20 * 1024 * 1024 + 12_345;
        await storage.putStream('targets/big', generated(size), {
          size,
          cacheControl: 'immutable',
        });
        const object = await storage.get('targets/big');
        expect(object.size).toBe(size);
        expect(await digest(object.body)).toBe(await digest(generated(size)));
        const tail = await storage.get('targets/big', { start: size - 3, end: size - 1 });
        const chunk = Math.floor((size - 1) / (64 * 1024)) % 251;
        expect(await collect(tail.body)).toEqual(Buffer.alloc(3, chunk));
      });

      it.each([{ size: 0 }, { size: 1 }, { size: 8 * 1024 * 1024 }])(
        'stores $size bytes exactly',
        async ({ size }) => {
          const storage = await setup();
          await storage.putStream('a', generated(size), { size, cacheControl: 'immutable' });
          const object = await storage.get('a');
          expect(await digest(object.body)).toBe(await digest(generated(size)));
        },
      );

      it('takes chunks of any size, empty ones too, and does not keep their memory', async () => {
        const storage = await setup();
        const shared = Buffer.alloc(3);
        async function* reusing(): AsyncGenerator<Uint8Array, void, undefined> {
          for (const text of ['abc', 'def', 'ghi']) {
            shared.write(text);
            yield shared;
            yield new Uint8Array();
          }
        }
        await storage.putStream('a', reusing(), { size: 9, cacheControl: 'immutable' });
        expect((await collect((await storage.get('a')).body)).toString()).toBe('abcdefghi');
      });

      it('refuses a name that is taken and keeps the first object', async () => {
        const storage = await setup();
        await storage.put('a', Buffer.from('first'), CREATE);
        const size = 9 * 1024 * 1024;
        await expect(
          storage.putStream('a', generated(size), { size, cacheControl: 'immutable' }),
        ).rejects.toMatchObject({ code: 'storage/already-there' });
        expect((await storage.stat('a')).size).toBe(5);
      });

      it.each([{ size: 300 }, { size: 12 * 1024 * 1024 }])(
        'has exactly one winner of 4 that race with $size bytes',
        async ({ size }) => {
          const storage = await setup();
          const results = await Promise.allSettled(
            Array.from({ length: 4 }, () =>
              storage.putStream('prize', generated(size), { size, cacheControl: 'immutable' }),
            ),
          );
          expect(codesOf(results)).toEqual(Array(3).fill('storage/already-there'));
          expect((await storage.stat('prize')).size).toBe(size);
        },
      );

      it.each([
        { declared: 10, size: 9 },
        { declared: 10, size: 11 },
        { declared: 0, size: 1 },
        { declared: 10 * 1024 * 1024, size: 10 * 1024 * 1024 - 1 },
        { declared: 10 * 1024 * 1024, size: 10 * 1024 * 1024 + 1 },
        { declared: -1, size: 0 },
        { declared: 1.5, size: 1 },
      ])('refuses $size bytes declared as $declared', async ({ declared, size }) => {
        const storage = await setup();
        await expect(
          storage.putStream('a', generated(size), { size: declared, cacheControl: 'immutable' }),
        ).rejects.toMatchObject({ code: 'storage/size' });
        await expect(storage.stat('a')).rejects.toMatchObject({ code: 'storage/not-there' });
      });

      it.each([{ before: 0 }, { before: 1000 }, { before: 17 * 1024 * 1024 }])(
        'leaves nothing of a source that fails after $before bytes, and throws its failure',
        async ({ before }) => {
          const storage = await setup();
          // As Node's own file errors look, which must not be mistaken for the storage's.
          const failure = Object.assign(new Error('the disk that was read broke'), { code: 'EIO' });
          async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
            yield* generated(before);
            throw failure;
          }
          await expect(
            storage.putStream('a', failing(), { size: before + 10, cacheControl: 'immutable' }),
          ).rejects.toBe(failure);
          await expect(storage.stat('a')).rejects.toMatchObject({ code: 'storage/not-there' });
          expect(await namesOf(storage, '')).toEqual([]);
        },
      );
    });

    describe('putStream under a late name', () => {
      it.each([{ size: 0 }, { size: 1000 }, { size: 9 * 1024 * 1024 }])(
        'names $size bytes by their hash, which is known at the end',
        async ({ size }) => {
          const storage = await setup();
          const hash = createHash('sha256');
          async function* hashed(): AsyncGenerator<Uint8Array, void, undefined> {
            for await (const chunk of generated(size)) {
              hash.update(chunk);
              yield chunk;
            }
          }
          const sha256 = await digest(generated(size));
          const late = () => `targets/${hash.copy().digest('hex')}.a`;
          const options = { size, cacheControl: 'immutable' } as const;
          const etag = await storage.putStream(late, hashed(), options);
          expect(await namesOf(storage, '')).toEqual([`targets/${sha256}.a`]);
          const object = await storage.get(`targets/${sha256}.a`);
          expect([object.size, object.etag]).toEqual([size, etag]);
          expect(await digest(object.body)).toBe(sha256);
        },
      );

      it.each([{ size: 1000 }, { size: 9 * 1024 * 1024 }])(
        'refuses a name that is taken after $size bytes, and keeps the first object',
        async ({ size }) => {
          const storage = await setup();
          await storage.put('a', Buffer.from('first'), CREATE);
          const options = { size, cacheControl: 'immutable' } as const;
          await expect(
            storage.putStream(() => 'a', generated(size), options),
          ).rejects.toMatchObject({ code: 'storage/already-there' });
          expect((await collect((await storage.get('a')).body)).toString()).toBe('first');
          expect(await namesOf(storage, '')).toEqual(['a']);
        },
      );

      it('has exactly one winner of 4 that race', async () => {
        const storage = await setup();
        const size = 9 * 1024 * 1024;
        const options = { size, cacheControl: 'immutable' } as const;
        const results = await Promise.allSettled(
          Array.from({ length: 4 }, () =>
            storage.putStream(() => 'prize', generated(size), options),
          ),
        );
        expect(codesOf(results)).toEqual(Array(3).fill('storage/already-there'));
        expect((await storage.stat('prize')).size).toBe(size);
        expect(await namesOf(storage, '')).toEqual(['prize']);
      });

      it.each([{ size: 1000 }, { size: 9 * 1024 * 1024 }])(
        'leaves nothing of $size bytes when the name is no name, cannot be given, or is too early',
        async ({ size }) => {
          const storage = await setup();
          const options = { size, cacheControl: 'immutable' } as const;
          const failure = new Error('the bytes are not what they should be');
          const fail = () => {
            throw failure;
          };
          const put = storage.putStream(() => '../outside', generated(size), options);
          await expect(put).rejects.toMatchObject({ code: 'storage/name' });
          await expect(storage.putStream(fail, generated(size), options)).rejects.toBe(failure);
          // Of a source that is too short, the name is never asked for.
          await expect(storage.putStream(fail, generated(size - 1), options)).rejects.toMatchObject(
            { code: 'storage/size' },
          );
          expect(await namesOf(storage, '')).toEqual([]);
        },
      );
    });

    describe('list', () => {
      it('gives names and sizes in ascending order, by prefix', async () => {
        const storage = await setup();
        const names = ['a-b', 'a.b', 'a/b', 'a/c/d', 'a0', 'aa', 'B', 'b/1.x', 'b/10.x', 'b/2.x'];
        for (const name of names.toReversed()) {
          await storage.put(name, Buffer.from(name), CREATE);
        }
        const inOrder = names.toSorted();
        expect(await namesOf(storage, '')).toEqual(inOrder);
        for (const prefix of ['a', 'a/', 'a-', 'a/c', 'b/1', 'b/10.x', 'c', 'a/b/c']) {
          expect(await namesOf(storage, prefix)).toEqual(
            inOrder.filter((name) => name.startsWith(prefix)),
          );
        }
        for await (const { name, size } of storage.list('')) expect(size).toBe(name.length);
      });

      it('tells when each object was put, and when it was replaced', async () => {
        const storage = await setup();
        // Stores round to a second, and a store's clock is not quite ours.
        const isNow = (time: Date | undefined) =>
          Math.abs((time?.getTime() ?? 0) - Date.now()) < 60_000;
        const etag = await storage.put('a', Buffer.from('x'), CREATE);
        await storage.putStream('b', generated(5), { size: 5, cacheControl: 'immutable' });
        const first = await Array.fromAsync(storage.list(''));
        expect(first.map(({ modifiedAt }) => isNow(modifiedAt))).toEqual([true, true]);
        const condition = { kind: 'replace-if-unchanged', etag } as const;
        await storage.put('a', Buffer.from('y'), { condition, cacheControl: 'no-cache' });
        const [again] = await Array.fromAsync(storage.list('a'));
        expect(isNow(again?.modifiedAt)).toBe(true);
        expect(again?.modifiedAt.getTime()).toBeGreaterThanOrEqual(
          first[0]?.modifiedAt.getTime() ?? Infinity,
        );
      });

      it('is empty where there is nothing', async () => {
        const storage = await setup();
        expect(await namesOf(storage, '')).toEqual([]);
        expect(await namesOf(storage, 'targets/')).toEqual([]);
      });

      it('goes past a thousand names', async () => {
        const storage = await setup();
        const names = Array.from({ length: 1105 }, (_, n) => `many/${n}.json`);
        for (let at = 0; at < names.length; at += 20) {
          const some = names.slice(at, at + 20);
          await Promise.all(some.map((name) => storage.put(name, Buffer.from('x'), CREATE)));
        }
        expect(await namesOf(storage, 'many/')).toEqual(names.toSorted());
      });
    });

    describe('delete', () => {
      it('removes the object, and is no error when there is none', async () => {
        const storage = await setup();
        await storage.put('a/b', Buffer.from('x'), CREATE);
        await storage.delete('a/b');
        await storage.delete('a/b');
        await storage.delete('never');
        await expect(storage.stat('a/b')).rejects.toMatchObject({ code: 'storage/not-there' });
        expect(await namesOf(storage, '')).toEqual([]);
      });
    });

    it.each(
      [
        '',
        '/',
        '/etc/passwd',
        '..',
        '../outside',
        'a/../../outside',
        'a/./b',
        'a//b',
        'a/',
        '.hidden',
        'a/.hidden',
        'a b',
        'a\\b',
        'a\0b',
        'a\n',
        'é',
        'a%2fb',
        'a+b',
        'x'.repeat(256),
        `${'x/'.repeat(600)}x`,
      ].map((name) => ({ name, shown: JSON.stringify(name).slice(0, 24) })),
    )('refuses the name $shown everywhere', async ({ name }) => {
      const storage = await setup();
      const refusal = { code: 'storage/name' };
      const options = { size: 1, cacheControl: 'immutable' } as const;
      await expect(storage.stat(name)).rejects.toMatchObject(refusal);
      await expect(storage.get(name)).rejects.toMatchObject(refusal);
      await expect(storage.put(name, Buffer.from('x'), CREATE)).rejects.toMatchObject(refusal);
      await expect(storage.putStream(name, generated(1), options)).rejects.toMatchObject(refusal);
      await expect(storage.delete(name)).rejects.toMatchObject(refusal);
      expect(await namesOf(storage, '')).toEqual([]);
    });

    it.each(['/', '..', '.', '../', 'a/.', 'a//', 'a\0'])(
      'refuses to list by the prefix %j',
      async (prefix) => {
        const storage = await setup();
        await expect(namesOf(storage, prefix)).rejects.toMatchObject({ code: 'storage/name' });
      },
    );

    it('holds names of 255 characters', async () => {
      const storage = await setup();
      const name = `targets/${'n'.repeat(255)}`;
      await storage.put(name, Buffer.from('x'), CREATE);
      expect(await namesOf(storage, name)).toEqual([name]);
    });

    it('says by which URL it is opened, without credentials', async () => {
      const storage = await setup();
      expect(storage.url).toMatch(/^(file|s3|memory):/);
      expect(storage.url).not.toContain(process.env['AWS_SECRET_ACCESS_KEY'] ?? randomUUID());
    });
  });
}

function codesOf(results: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return results.flatMap((result) => (result.status === 'rejected' ? [codeOf(result.reason)] : []));
}

// Anything without a code is shown itself.
function codeOf(reason: unknown): unknown {
  return typeof reason === 'object' && reason !== null && 'code' in reason ? reason.code : reason;
}

async function namesOf(storage: Storage, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(prefix)) names.push(name);
  return names;
}

async function digest(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of source) hash.update(chunk);
  return hash.digest('hex');
}
