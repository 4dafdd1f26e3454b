import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { openStorage } from '../../../adapters/storage/open.ts';
import type { PutOptions } from '../../../adapters/storage/storage.ts';
import { collect, generated } from '../../support/bytes.ts';

const CREATE: PutOptions = { condition: { kind: 'create-only' }, cacheControl: 'immutable' };
const scratch = mkdtempSync(join(tmpdir(), 'tidegate-open-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe('openStorage', () => {
  it.each([
    { url: 'file:./repository', folder: join(scratch, 'repository') },
    { url: 'file:repository/', folder: join(scratch, 'repository') },
    { url: 'file:../repository', folder: join(scratch, '..', 'repository') },
    { url: 'file:/srv/repository', folder: '/srv/repository' },
    { url: 'file:///srv/repository', folder: '/srv/repository' },
    { url: 'file:/srv/a%20b c', folder: '/srv/a%20b c' },
  ])('reads $url as a folder', async ({ url, folder }) => {
    const storage = await openStorage(url, { access: 'read', cwd: scratch, env: {} });
    expect(storage.url).toBe(`file:${folder}`);
  });

  it('opens the same storage again by its URL', async () => {
    const options = { access: 'write', cwd: scratch, env: {} } as const;
    const storage = await openStorage('file:./again', options);
    await storage.put('a', Buffer.from('x'), CREATE);
    const again = await openStorage(storage.url, { ...options, access: 'read', cwd: '/' });
    expect((await collect((await again.get('a')).body)).toString()).toBe('x');
  });

  it('lets nobody write who opened it for reading', async () => {
    const options = { cwd: scratch, env: {} };
    const writable = await openStorage('file:./shared', { ...options, access: 'write' });
    const etag = await writable.put('a', Buffer.from('x'), CREATE);
    const storage = await openStorage('file:./shared', { ...options, access: 'read' });
    const refusal = { code: 'storage/denied' };
    await expect(storage.put('b', Buffer.from('x'), CREATE)).rejects.toMatchObject(refusal);
    await expect(
      storage.putStream('b', generated(1), { size: 1, cacheControl: 'immutable' }),
    ).rejects.toMatchObject(refusal);
    await expect(storage.delete('a')).rejects.toMatchObject(refusal);
    expect(await storage.stat('a')).toEqual({ size: 1, etag });
    expect(await Array.fromAsync(storage.list(''))).toMatchObject([{ name: 'a', size: 1 }]);
  });

  it.each([
    '',
    'repository',
    './repository',
    '/srv/repository',
    'C:\\repository',
    'ftp://example.com/repository',
    'memory:',
    'file:',
    'file:a\0b',
    'file://example.com/repository',
    's3://',
    's3:bucket',
    's3:///prefix',
    's3://Bad_Bucket/prefix',
    's3://user:secret@bucket/prefix',
    's3://bucket:9000/prefix',
    's3://bucket/prefix#part',
    's3://bucket/a//b',
    's3://bucket/.hidden',
    's3://bucket/a%20b',
    's3://bucket/prefix?unknown=1',
    's3://bucket/prefix?region=',
    's3://bucket/prefix?region=a&region=b',
    's3://bucket/prefix?forcePathStyle=yes',
    's3://bucket/prefix?endpoint=ftp://example.com',
    's3://bucket/prefix?endpoint=https://user:secret@example.com',
    'https://user:secret@example.com/repository',
    'https://example.com/repository?token=secret',
    'http://',
  ])('refuses %j with the forms it takes, and repeats no secret', async (url) => {
    const error: unknown = await openStorage(url, {
      access: 'read',
      cwd: scratch,
      env: { AWS_REGION: 'us-east-1' },
    }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'storage/name',
      hints: expect.arrayContaining([expect.stringContaining(':')]),
      message: expect.not.stringContaining('secret'),
    });
  });

  it('says that a repository behind http can only be read', async () => {
    await expect(
      openStorage('https://example.com/repository', { access: 'write', cwd: scratch, env: {} }),
    ).rejects.toMatchObject({ code: 'storage/denied' });
  });
});

describe('openStorage of s3', () => {
  const keys = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };

  it.each([
    's3://bucket?region=eu-west-1',
    's3://bucket/prefix?region=eu-west-1',
    's3://my.bucket-1/a/b?endpoint=https%3A%2F%2Fs3.example.com%3A9000&region=x&forcePathStyle=true',
  ])('gives back %s', async (url) => {
    await using storage = await openStorage(url, { access: 'read', cwd: scratch, env: keys });
    expect(storage.url).toBe(url);
  });

  it('reads what the URL leaves out from the environment, which it does not repeat', async () => {
    await using storage = await openStorage('s3://bucket/prefix/', {
      access: 'read',
      cwd: scratch,
      env: { ...keys, AWS_REGION: 'eu-west-1', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' },
    });
    expect(storage.url).toBe('s3://bucket/prefix');
    // Port 1 of the environment's endpoint is where nobody listens.
    await expect(storage.get('a')).rejects.toMatchObject({ code: 'storage/unavailable' });
  });
});
