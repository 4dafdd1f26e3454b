import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { openHttpStorage } from '../../../adapters/storage/http.ts';
import { collect } from '../../support/bytes.ts';

const PATIENCE_MS = 100;

async function serve(listener: RequestListener): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    url: `http://127.0.0.1:${port}/repo`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** Serves ten digits at /repo/metadata/digits, with ranges, as a web server does. */
const digits: RequestListener = (request, response) => {
  if (request.url !== '/repo/metadata/digits') {
    response.writeHead(404).end();
    return;
  }
  const content = '0123456789';
  const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (start === undefined) {
    response.setHeader('etag', '"ten"').setHeader('content-length', 10);
    response.end(content);
  } else if (Number(start) >= 10) {
    response.writeHead(416).end();
  } else {
    const last = end ? Math.min(9, Number(end)) : 9;
    const part = content.slice(Number(start), last + 1);
    response.writeHead(206, {
      etag: '"ten"',
      'content-length': part.length,
      'content-range': `bytes ${start}-${last}/10`,
    });
    response.end(part);
  }
};

describe('openHttpStorage', () => {
  it('reads objects, their size and their ETag below its URL', async () => {
    await using server = await serve(digits);
    const storage = openHttpStorage(server);
    const object = await storage.get('metadata/digits');
    expect((await collect(object.body)).toString()).toBe('0123456789');
    expect({ size: object.size, etag: object.etag }).toEqual(await storage.stat('metadata/digits'));
    expect(object.size).toBe(10);
    expect(storage.url).toBe(server.url);
  });

  it.each([
    { range: { start: 0, end: 0 }, expected: '0' },
    { range: { start: 7 }, expected: '789' },
    { range: { start: 8, end: 100 }, expected: '89' },
  ])('reads the range $range', async ({ range, expected }) => {
    await using server = await serve(digits);
    const object = await openHttpStorage(server).get('metadata/digits', range);
    expect(object.size).toBe(10);
    expect((await collect(object.body)).toString()).toBe(expected);
  });

  it('says storage/range beyond the end', async () => {
    await using server = await serve(digits);
    await expect(
      openHttpStorage(server).get('metadata/digits', { start: 10 }),
    ).rejects.toMatchObject({ code: 'storage/range' });
  });

  it.each([
    { status: 404, code: 'storage/not-there' },
    { status: 403, code: 'storage/not-there' },
    { status: 410, code: 'storage/not-there' },
    { status: 401, code: 'storage/denied' },
    { status: 500, code: 'storage/unavailable' },
    { status: 429, code: 'storage/unavailable' },
    { status: 204, code: 'storage/unavailable' },
  ])('says $code for HTTP $status', async ({ status, code }) => {
    await using server = await serve((_, response) => response.writeHead(status).end());
    const storage = openHttpStorage(server);
    await expect(storage.get('a')).rejects.toMatchObject({ code });
    await expect(storage.stat('a')).rejects.toMatchObject({ code });
  });

  it('does not take an object for whole that breaks off', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, { etag: '"x"', 'content-length': 10 });
      response.write('01234', () => response.destroy());
    });
    const { body } = await openHttpStorage(server).get('a');
    await expect(collect(body)).rejects.toMatchObject({ code: 'storage/unavailable' });
  });

  it('gives up on a server that never answers', async () => {
    await using server = await serve(() => undefined);
    const storage = openHttpStorage({ ...server, patienceMs: PATIENCE_MS });
    await expect(storage.get('a')).rejects.toMatchObject({ code: 'storage/unavailable' });
  });

  it('gives up on a body that stalls, and closes the connection', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    await using server = await serve((_, response) => {
      closed = once(response, 'close');
      response.writeHead(200, { etag: '"x"', 'content-length': 10 });
      response.write('01234');
    });
    const { body } = await openHttpStorage({ ...server, patienceMs: PATIENCE_MS }).get('a');
    await expect(collect(body)).rejects.toMatchObject({ code: 'storage/unavailable' });
    await closed;
  });

  it('refuses a server that ignores ranges rather than give other bytes', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, { etag: '"x"', 'content-length': 3 });
      response.end('012');
    });
    await expect(openHttpStorage(server).get('a', { start: 1 })).rejects.toMatchObject({
      code: 'storage/unavailable',
    });
  });

  it('says storage/unavailable where nobody listens', async () => {
    const { url } = await (async () => {
      await using server = await serve(digits);
      return { url: server.url };
    })();
    await expect(openHttpStorage({ url }).get('a')).rejects.toMatchObject({
      code: 'storage/unavailable',
    });
  });

  it('neither writes nor lists', async () => {
    await using server = await serve(digits);
    const storage = openHttpStorage(server);
    const refusal = { code: 'storage/denied' };
    const condition = { kind: 'create-only' } as const;
    await expect(
      storage.put('a', Buffer.from('x'), { condition, cacheControl: 'immutable' }),
    ).rejects.toMatchObject(refusal);
    await expect(storage.delete('a')).rejects.toMatchObject(refusal);
    await expect(Array.fromAsync(storage.list(''))).rejects.toMatchObject(refusal);
  });

  it.each(['../secret', '//example.com/x', 'a?b', 'a#b', ''])(
    'refuses the name %j',
    async (name) => {
      await using server = await serve(() => {
        throw new Error('nothing may be asked');
      });
      await expect(openHttpStorage(server).get(name)).rejects.toMatchObject({
        code: 'storage/name',
      });
    },
  );
});
