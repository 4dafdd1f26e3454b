import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readServerToken, writeServerRecord } from '../../../adapters/terminal/server-record.ts';

async function setup() {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-record-'));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, 'secret\n');
  const servers = join(folder, 'state', 'tidegate', 'servers');
  return {
    folder,
    tokenFile,
    servers,
    env: { XDG_STATE_HOME: join(folder, 'state') },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

describe('the record of a server', () => {
  it('leads from its address to its token, and is for its owner only', async () => {
    await using test = await setup();
    const { env, tokenFile, servers } = test;
    await writeServerRecord({ url: 'http://127.0.0.1:8080', tokenFile }, env);
    expect(await readServerToken('http://127.0.0.1:8080/', env)).toBe('secret');
    expect(await readdir(servers)).toEqual(['127.0.0.1_8080.json']);
    expect((await stat(join(servers, '127.0.0.1_8080.json'))).mode & 0o777).toBe(0o600);
  });

  it.each([
    { written: 'http://127.0.0.1:8080', read: 'http://localhost:8080' },
    { written: 'http://0.0.0.0:8080', read: 'http://127.0.0.1:8080' },
    { written: 'http://[::]:8080', read: 'http://localhost:8080' },
    { written: 'http://[::1]:8080', read: 'http://[::1]:8080' },
  ])('of $written is found by $read', async ({ written, read }) => {
    await using test = await setup();
    await writeServerRecord({ url: written, tokenFile: test.tokenFile }, test.env);
    expect(await readServerToken(read, test.env)).toBe('secret');
  });

  it('lies in the home folder when nothing else is said', async () => {
    await using test = await setup();
    const env = { HOME: test.folder, XDG_STATE_HOME: 'relative' };
    await writeServerRecord({ url: 'http://127.0.0.1:1', tokenFile: test.tokenFile }, env);
    expect(await readdir(join(test.folder, '.local/state/tidegate/servers'))).toHaveLength(1);
  });

  it('is replaced by that of a later server', async () => {
    await using test = await setup();
    const { env, tokenFile } = test;
    await writeServerRecord({ url: 'http://127.0.0.1:1', tokenFile: '/gone' }, env);
    await writeServerRecord({ url: 'http://127.0.0.1:1', tokenFile }, env);
    expect(await readServerToken('http://127.0.0.1:1', env)).toBe('secret');
  });
});

describe('readServerToken', () => {
  it('takes TIDEGATE_TOKEN first', async () => {
    expect(await readServerToken('http://a:1', { TIDEGATE_TOKEN: 'given' })).toBe('given');
  });

  it.each([
    { case: 'no server of this address ran here', url: 'http://127.0.0.1:9', code: 'not-there' },
    { case: 'the address is none', url: '127.0.0.1:9', code: 'url' },
    { case: 'the address is of another kind', url: 'ftp://127.0.0.1:9', code: 'url' },
  ])('says when $case', async ({ url, code }) => {
    await using test = await setup();
    await expect(readServerToken(url, test.env)).rejects.toMatchObject({
      code: `server-record/${code}`,
    });
  });

  it('never gives the token of one server to another', async () => {
    await using test = await setup();
    const { env, tokenFile } = test;
    await writeServerRecord({ url: 'http://127.0.0.1:8080', tokenFile }, env);
    for (const url of [
      'http://127.0.0.1:8081',
      'http://127.0.0.2:8080',
      'http://evil.example:8080',
    ]) {
      await expect(readServerToken(url, env)).rejects.toMatchObject({
        code: 'server-record/not-there',
      });
    }
  });

  it('says when there is no home folder to look into', async () => {
    await expect(readServerToken('http://127.0.0.1:1', {})).rejects.toMatchObject({
      code: 'server-record/home',
    });
  });
});
