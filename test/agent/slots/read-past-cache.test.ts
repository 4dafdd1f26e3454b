import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readPastCache } from '../../../agent/slots/read-past-cache.ts';
import type { ReadPart } from '../../../agent/slots/read-past-cache.ts';
import { noise } from '../../support/noise.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { codeOf } from '../error-code.ts';

const MIB = 1024 * 1024;
const BYTES = noise(3 * MIB + 1);

async function read(part: ReadPart): Promise<Buffer> {
  const parts: Buffer[] = [];
  // A copy of each: the reader uses its memory again.
  for await (const chunk of readPastCache(part)) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}

describe('readPastCache', () => {
  it.each([0, 1, 511, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 1])(
    'reads a file of %i bytes, whole and in parts',
    async (size) => {
      await using folder = await temporaryFolder();
      const path = join(folder.path, 'image');
      const bytes = BYTES.subarray(0, size);
      await writeFile(path, bytes);
      expect((await read({ path })).equals(bytes)).toBe(true);
      for (const from of [1, 512, 4096, 5000, MIB]) {
        expect((await read({ path, from })).equals(bytes.subarray(from))).toBe(true);
        for (const length of [0, 1, 4096, MIB + 3]) {
          const expected = bytes.subarray(from, from + length);
          expect((await read({ path, from, length })).equals(expected)).toBe(true);
        }
      }
    },
  );

  it('keeps a chunk whole while the next one is being read', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'image');
    await writeFile(path, BYTES);
    for (let offset = 0; offset < BYTES.length; offset += MIB) {
      const chunks = readPastCache({ path, from: offset });
      const { value: chunk } = await chunks.next();
      // This has the other chunk read to its end.
      await chunks.return();
      expect(Buffer.from(chunk ?? []).equals(BYTES.subarray(offset, offset + MIB))).toBe(true);
    }
  });

  it('reads memory file systems, and files that cannot be read directly, as any other', async () => {
    const folder = await mkdtemp('/dev/shm/tidegate-test-');
    try {
      await writeFile(join(folder, 'image'), BYTES);
      expect((await read({ path: join(folder, 'image') })).equals(BYTES)).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
    expect(await read({ path: '/proc/version' })).toEqual(await readFile('/proc/version'));
  });

  it('says that a file is not there', async () => {
    await using folder = await temporaryFolder();
    expect(await codeOf(read({ path: join(folder.path, 'none') }))).toBe('agent/disk');
  });
});
