import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ensureToken } from '../../server/token.ts';

async function setup() {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-token-'));
  return {
    folder,
    file: join(folder, 'token'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

describe('ensureToken', () => {
  it('makes a token that only its owner can read, and keeps it', async () => {
    await using test = await setup();
    const token = await ensureToken(test.file);
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect((await stat(test.file)).mode & 0o777).toBe(0o600);
    expect((await readFile(test.file, 'utf8')).trim()).toBe(token);
    expect(await ensureToken(test.file)).toBe(token);
    expect(await readdir(test.folder)).toEqual(['token']);
  });

  it('makes one token although several servers start at once', async () => {
    await using test = await setup();
    const tokens = await Promise.all(Array.from({ length: 8 }, () => ensureToken(test.file)));
    expect(new Set(tokens).size).toBe(1);
  });

  it.each(['', 'short', `${'a'.repeat(43)} ${'b'.repeat(43)}`])(
    'refuses a file with %j and leaves it alone',
    async (content) => {
      await using test = await setup();
      await writeFile(test.file, content);
      await expect(ensureToken(test.file)).rejects.toMatchObject({ code: 'server/token' });
      expect(await readFile(test.file, 'utf8')).toBe(content);
    },
  );

  it('says when it cannot be made', async () => {
    await using test = await setup();
    await expect(ensureToken(join(test.folder, 'no', 'token'))).rejects.toMatchObject({
      code: 'server/token',
    });
  });
});
