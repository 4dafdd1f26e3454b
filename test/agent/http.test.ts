import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { backoffMs, retryAfterMs } from '../../agent/backoff.ts';
import { readBody, send } from '../../agent/http.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { codeOf } from './error-code.ts';
import { serve } from './loopback-server.ts';

describe('send', () => {
  it('gives every status as an answer', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(404, { 'x-why': 'not there' }).end('no');
    });
    const response = await send(server.url);
    expect([response.status, response.headers['x-why']]).toEqual([404, 'not there']);
    expect((await readBody(response, server.url, 2)).toString()).toBe('no');
  });

  it('posts a body with its length', async () => {
    await using server = await serve((request, response) => {
      request.pipe(response);
    });
    const posted = { method: 'POST', body: '{"ü":1}' } as const;
    const response = await send(server.url, posted);
    expect((await readBody(response, server.url, 100)).toString()).toBe('{"ü":1}');
    expect(server.requests[0]?.headers['content-length']).toBe('8');
  });

  it('follows redirects of a GET', async () => {
    await using server = await serve((request, response) => {
      if (request.url === '/a') response.writeHead(302, { location: 'b?c=1' }).end();
      else response.end(request.url);
    });
    const response = await send(`${server.url}a`);
    expect((await readBody(response, server.url, 100)).toString()).toBe('/b?c=1');
  });

  it.each(['file:///etc/hostname', 'ftp://127.0.0.1/', 'javascript:1', 'http://[', ''])(
    'does not follow a redirect to %p',
    async (location) => {
      await using server = await serve((request, response) => {
        if (location === '' && request.url !== '/') response.end();
        else response.writeHead(302, { location }).end();
      });
      expect(await codeOf(send(server.url))).toBe('agent/answer');
    },
  );

  it('does not go round in circles', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(307, { location: '/' }).end();
    });
    expect(await codeOf(send(server.url))).toBe('agent/answer');
    expect(server.requests).toHaveLength(6);
  });

  it('never posts a report to where a redirect leads', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    const response = await send(server.url, { method: 'POST', body: '{}' });
    response.close();
    expect(response.status).toBe(307);
    expect(server.requests).toHaveLength(1);
  });

  it('refuses a body that was compressed on the way', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
    });
    expect(await codeOf(send(server.url))).toBe('agent/answer');
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('gives up a server that never answers', async () => {
    await using server = await serve(() => {});
    expect(await codeOf(send(server.url, { stallMs: 50 }))).toBe('agent/unreachable');
  });

  it('gives up a server that falls silent in the body', async () => {
    await using server = await serve((_request, response) => {
      response.write('some');
    });
    const response = await send(server.url, { stallMs: 50 });
    expect(await codeOf(readBody(response, server.url, 100))).toBe('agent/unreachable');
  });

  it('waits longer than the stall time for a body that goes on', async () => {
    await using server = await serve((_request, response) => {
      let left = 8;
      const timer = setInterval(() => {
        response.write(Buffer.alloc(2000));
        left -= 1;
        if (left > 0) return;
        clearInterval(timer);
        response.end();
      }, 40);
    });
    const response = await send(server.url, { stallMs: 200 });
    expect(await readBody(response, server.url, 16_000)).toHaveLength(16_000);
  });

  it('does not blame the other side for a reader that takes its time', async () => {
    await using server = await serve((_request, response) => {
      response.end(Buffer.alloc(3_000_000));
    });
    const response = await send(server.url, { stallMs: 60 });
    let size = 0;
    for await (const chunk of response.body) {
      if (size === 0) {
        await new Promise((resolve) => {
          setTimeout(resolve, 120);
        });
      }
      size += chunk.length;
    }
    expect(size).toBe(3_000_000);
  });

  it('says that a body broke off', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('some', () => response.destroy());
    });
    const work = async () => readBody(await send(server.url), server.url, 1000);
    expect(await codeOf(work())).toBe('agent/unreachable');
  });

  it('says that nobody listens, and that the answer is not HTTP', async () => {
    const { url } = await serve(() => {}).then(async (server) => {
      await server[Symbol.asyncDispose]();
      return server;
    });
    expect(await codeOf(send(url))).toBe('agent/unreachable');
    await using server = await serve((request) => {
      request.socket.end('SSH-2.0-OpenSSH_9.2\r\n');
    });
    expect(await codeOf(send(server.url))).toBe('agent/unreachable');
  });

  it('stops when it is told to, before and in the body', async () => {
    const stop = new AbortController();
    await using server = await serve((_request, response) => {
      response.write('some');
    });
    const response = await send(server.url, { signal: stop.signal });
    stop.abort();
    expect(await codeOf(readBody(response, server.url, 100))).toBe('agent/stopped');
    expect(await codeOf(send(server.url, { signal: stop.signal }))).toBe('agent/stopped');
  });

  it('leaves no connection behind when an answer is closed unread', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    await using server = await serve((request, response) => {
      closed = new Promise((resolve) => {
        request.socket.on('close', resolve);
      });
      response.write('some');
    });
    (await send(server.url)).close();
    await closed;
    expect(server.requests).toHaveLength(1);
  });
});

describe('readBody', () => {
  it('cuts an endless body', async () => {
    await using server = await serve((_request, response) => {
      const go = () => {
        while (!response.destroyed && response.write(Buffer.alloc(10_000)));
      };
      response.on('drain', go);
      go();
    });
    const response = await send(server.url);
    expect(await codeOf(readBody(response, server.url, 50_000))).toBe('agent/too-large');
  });
});

describe('send file:', () => {
  it('answers as a server would', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a b.json');
    await writeFile(path, '0123456789');
    await mkdir(join(folder.path, 'folder'));
    const { href } = pathToFileURL(path);
    const whole = await send(href);
    expect([whole.status, String(await readBody(whole, href, 10))]).toEqual([200, '0123456789']);
    const rest = await send(href, { headers: { range: 'bytes=4-' } });
    expect(rest.headers['content-range']).toBe('bytes 4-9/10');
    expect([rest.status, String(await readBody(rest, href, 10))]).toEqual([206, '456789']);
    expect((await send(href, { headers: { range: 'bytes=10-' } })).status).toBe(416);
    expect((await send(`${href}.none`)).status).toBe(404);
    expect((await send(pathToFileURL(join(folder.path, 'folder')).href)).status).toBe(404);
  });
});

describe('backoffMs', () => {
  it('grows with every failure to a minute, and is spread from nothing to that', () => {
    const longest = (failures: number) => backoffMs(failures, () => 1);
    expect([1, 2, 3, 10, 2000].map(longest)).toEqual([2000, 4000, 8000, 60_000, 60_000]);
    expect(backoffMs(5, () => 0)).toBe(0);
  });
});

describe('retryAfterMs', () => {
  const now = new Date('2026-03-01T12:00:00Z');
  it.each([
    [undefined, 0],
    ['0', 0],
    ['120', 120_000],
    ['Sun, 01 Mar 2026 12:00:30 GMT', 30_000],
    ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
    ['-5', 0],
    ['soon', 0],
  ])('of %p is %i', (header, expected) => {
    expect(retryAfterMs(header, now)).toBe(expected);
  });
});
