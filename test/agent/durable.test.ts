import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { readChecked, writeChecked, writeDurable } from '../../agent/durable.ts';
import { onDisk } from '../../agent/on-disk.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { codeOf } from './error-code.ts';

const shape = z.strictObject({ phase: z.string(), count: z.int() });
const VALUE = { phase: 'staged – bereit', count: 3 };

describe('writeDurable', () => {
  it('replaces a file and leaves nothing beside it', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'deep', 'er', 'state.json');
    await writeDurable(path, Buffer.from('one'));
    await writeDurable(path, Buffer.from('two'));
    expect(await readFile(path, 'utf8')).toBe('two');
    expect(await readdir(join(folder.path, 'deep', 'er'))).toEqual(['state.json']);
  });

  it('overwrites what a killed writer left, even if it was longer', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'state.json');
    await writeFile(`${path}.tmp`, 'x'.repeat(1000));
    await writeDurable(path, Buffer.from('new'));
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(folder.path)).toEqual(['state.json']);
  });

  it('is readable by nobody else', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'state.json');
    await writeDurable(path, Buffer.from('new'));
    expect((await stat(path)).mode & 0o077).toBe(0);
  });

  it('keeps the old file when the new one cannot be written', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'state.json');
    await writeDurable(path, Buffer.from('old'));
    await mkdir(`${path}.tmp`);
    expect(await codeOf(writeDurable(path, Buffer.from('new')))).toBe('agent/disk');
    expect(await readFile(path, 'utf8')).toBe('old');
  });
});

describe('readChecked', () => {
  it('gives back what was written', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'state.json');
    expect(await readChecked(path, shape)).toEqual({ kind: 'none' });
    await writeChecked(path, VALUE);
    expect(await readChecked(path, shape)).toEqual({ kind: 'value', value: VALUE });
  });

  it('calls a value of another shape damaged', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'state.json');
    await writeChecked(path, { phase: 3 });
    expect(await readChecked(path, shape)).toEqual({ kind: 'damaged' });
  });

  it('notices a file that was cut off anywhere', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'state.json');
    await writeChecked(path, VALUE);
    for (let length = (await stat(path)).size - 1; length >= 0; length -= 1) {
      await truncate(path, length);
      expect(await readChecked(path, shape)).toEqual({ kind: 'damaged' });
    }
  });

  it('notices any changed byte, and anything behind the end', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'state.json');
    await writeChecked(path, VALUE);
    const written = await readFile(path);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(written.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, difference) => {
          const changed = Buffer.from(written);
          changed[at] = (changed[at] ?? 0) ^ difference;
          await writeFile(path, changed);
          expect(await readChecked(path, shape)).toEqual({ kind: 'damaged' });
        },
      ),
      { seed: 1, numRuns: 100 },
    );
    await writeFile(path, Buffer.concat([written, Buffer.from('\n')]));
    expect(await readChecked(path, shape)).toEqual({ kind: 'damaged' });
  });

  it('does not call a file damaged that the disk does not give', async () => {
    await using folder = await temporaryFolder();
    expect(await codeOf(readChecked(folder.path, shape))).toBe('agent/disk');
  });
});

describe('onDisk', () => {
  it.each([
    ['ENOSPC', 'agent/full'],
    ['EDQUOT', 'agent/full'],
    ['EFBIG', 'agent/full'],
    ['EIO', 'agent/disk'],
    ['EROFS', 'agent/disk'],
  ])('translates %s into %s', async (code, expected) => {
    const refused = onDisk('writing', () =>
      Promise.reject(Object.assign(new Error(code), { code })),
    );
    expect(await codeOf(refused)).toBe(expected);
  });

  it('leaves a bug a bug', async () => {
    const bug = Object.assign(new TypeError('no'), { code: 'ERR_INVALID_ARG_TYPE' });
    await expect(onDisk('writing', () => Promise.reject(bug))).rejects.toBe(bug);
  });
});
