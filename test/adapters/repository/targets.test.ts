import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { openTarget, readTarget, uploadTarget } from '../../../adapters/repository/targets.ts';
import { createMemoryStorage } from '../../../adapters/storage/memory.ts';
import { addTargets } from '../../../core/tuf/edit.ts';
import { objectsOf } from '../../support/objects-of.ts';
import { fileOf, sampleMetadata } from '../../support/tuf-samples.ts';

const NAME = 'aws-x86_64-1.0.0-root';
const OBJECT = `targets/${fileOf('root').hashes.sha256}.${NAME}`;
const bytesOf = (text: string) => new TextEncoder().encode(text);

async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield bytesOf(text);
}

function source(...texts: readonly string[]) {
  return {
    name: NAME,
    size: 4,
    sha256: fileOf('root').hashes.sha256,
    open: () => chunks(...texts),
  };
}

describe('uploadTarget', () => {
  it('stores the bytes under their hash', async () => {
    const storage = createMemoryStorage();
    expect(await uploadTarget(storage, source('ro', 'ot'))).toBe('uploaded');
    expect(await objectsOf(storage)).toEqual({ [OBJECT]: Buffer.from('root') });
  });

  it('does not read the source of what is there already', async () => {
    const storage = createMemoryStorage([[OBJECT, bytesOf('root')]]);
    const open = () => {
      throw new RangeError('read');
    };
    expect(await uploadTarget(storage, { ...source(), open })).toBe('already-there');
  });

  it('lets two that bring the same bytes at the same time both succeed', async () => {
    const storage = createMemoryStorage();
    const results = await Promise.all([1, 2].map(() => uploadTarget(storage, source('root'))));
    expect(results.toSorted()).toEqual(['already-there', 'uploaded']);
  });

  it.each([
    ['shorter', ['roo']],
    ['longer', ['root', 's']],
    ['different', ['toor']],
    ['empty', []],
  ])('leaves nothing behind when the file is %s than announced', async (_, texts) => {
    const storage = createMemoryStorage();
    await expect(uploadTarget(storage, source(...texts))).rejects.toMatchObject({
      code: 'repository/upload',
    });
    expect(await objectsOf(storage)).toEqual({});
  });

  it('does not take an object of another size for the target', async () => {
    const storage = createMemoryStorage([[OBJECT, bytesOf('roots')]]);
    await expect(uploadTarget(storage, source('root'))).rejects.toMatchObject({
      code: 'repository/damaged',
    });
  });

  it('passes on what the source throws', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytesOf('ro');
      throw new RangeError('unplugged');
    }
    const storage = createMemoryStorage();
    await expect(uploadTarget(storage, { ...source(), open: broken })).rejects.toBeInstanceOf(
      RangeError,
    );
    expect(await objectsOf(storage)).toEqual({});
  });
});

describe('readTarget and openTarget', () => {
  const metadata = sampleMetadata();

  async function open(stored: string | null): Promise<string> {
    const entries = stored === null ? [] : [[OBJECT, bytesOf(stored)] as const];
    const { body } = await openTarget(createMemoryStorage(entries), metadata, NAME);
    const hash = createHash('sha256');
    for await (const chunk of body) hash.update(chunk);
    return hash.digest('hex');
  }
  async function read(stored: string | null): Promise<Uint8Array> {
    const entries = stored === null ? [] : [[OBJECT, bytesOf(stored)] as const];
    return readTarget(createMemoryStorage(entries), metadata, NAME);
  }

  it('give the bytes that are published', async () => {
    expect(Buffer.from(await read('root')).toString()).toBe('root');
    expect(await open('root')).toBe(fileOf('root').hashes.sha256);
  });

  it.each([
    ['other bytes', 'toor'],
    ['fewer bytes', 'roo'],
    ['more bytes', 'roots'],
    ['nothing', null],
  ])('refuse %s', async (_, stored) => {
    await expect(read(stored)).rejects.toMatchObject({
      code: expect.stringMatching(/^(tuf\/(hash|length)|repository\/(damaged|too-large))$/),
    });
    await expect(open(stored)).rejects.toMatchObject({ code: 'repository/damaged' });
  });

  it('refuse what is not published', async () => {
    const storage = createMemoryStorage();
    const expected = { code: 'repository/target' };
    await expect(readTarget(storage, metadata, 'other')).rejects.toMatchObject(expected);
    await expect(openTarget(storage, metadata, 'other')).rejects.toMatchObject(expected);
  });

  it('does not take an image into memory', async () => {
    const file = { ...fileOf('root'), length: 17 * 1024 * 1024 };
    const delegated = [...metadata.delegated].map(
      ([role, targets]) =>
        [
          role,
          role.startsWith('releases')
            ? addTargets(targets, { 'aws-x86_64-2.0.0-root': file })
            : targets,
        ] as const,
    );
    const large = { ...metadata, delegated: new Map(delegated) };
    await expect(
      readTarget(createMemoryStorage(), large, 'aws-x86_64-2.0.0-root'),
    ).rejects.toMatchObject({ code: 'repository/too-large' });
  });
});
