import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { HandleWriter } from '../../../agent/slots/image-writer.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const BLOCK_BYTES = 4096;

describe('HandleWriter', () => {
  it('writes whole blocks however the chunks come, so that no block must be read first', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'image');
    const image = Buffer.alloc(3 * 1024 * 1024 + 100, 'some image ');
    const handle = await open(path, 'w');
    const writes: number[] = [];
    const write = handle.write.bind(handle);
    Reflect.set(handle, 'write', (bytes: Buffer, ...rest: [number, number, number]) => {
      writes.push(rest[2], rest[1]);
      return write(bytes, ...rest);
    });
    const writer = new HandleWriter({ path, at: 0, size: image.length, handle });
    for (let at = 0, length = 1; at < image.length; at += length, length = (length * 7) % 99_991) {
      await writer.write(image.subarray(at, at + length));
    }
    await writer.finish();
    expect(Buffer.compare(await readFile(path), image)).toBe(0);
    expect(writes.pop()).toBe(100);
    expect(writes.map((number) => number % BLOCK_BYTES)).toEqual(writes.map(() => 0));
  });
});
