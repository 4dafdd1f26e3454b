import { describe, expect, it } from '@jest/globals';
import { noise } from '../support/noise.ts';
import { codeOf } from './error-code.ts';
import { described, downloads, pack } from './image-download.ts';
import { sendFile, serve } from './loopback-server.ts';

const RAW = noise(300_000);

describe.each(['raw', 'lz4', 'zstd'] as const)(
  'downloadImage %s over a line that breaks',
  (format) => {
    const stored = pack(format, RAW);

    it('goes on where it broke, and fetches no byte twice', async () => {
      await using server = await serve((request, response) => {
        sendFile(request, response, { bytes: stored, until: 70_000 * server.requests.length });
      });
      await using test = await downloads();
      await test.run(described(server.url, format, RAW, stored));
      expect((await test.written()).equals(RAW)).toBe(true);
      expect(test.fetched()).toBe(stored.length);
      expect(server.requests.length).toBeGreaterThan(2);
      expect(server.requests[1]?.headers['if-range']).toBe('"1"');
    });

    it('begins anew when the file changed meanwhile', async () => {
      const old = Buffer.from(stored).fill(0xaa, 100_000);
      await using server = await serve((request, response) => {
        const isFirst = server.requests.length === 1;
        if (isFirst) sendFile(request, response, { bytes: old, etag: '"0"', until: 30_000 });
        else sendFile(request, response, { bytes: stored });
      });
      await using test = await downloads();
      await test.run(described(server.url, format, RAW, stored));
      expect((await test.written()).equals(RAW)).toBe(true);
      expect(server.requests).toHaveLength(2);
      expect(test.fetched()).toBe(stored.length + 30_000);
    });

    it('begins anew at a server that knows no ranges', async () => {
      await using server = await serve((_request, response) => {
        response.writeHead(200, { 'content-length': stored.length });
        if (server.requests.length > 2) response.end(stored);
        else response.write(stored.subarray(0, 100_000), () => response.destroy());
      });
      await using test = await downloads();
      await test.run(described(server.url, format, RAW, stored));
      expect((await test.written()).equals(RAW)).toBe(true);
      expect(server.requests).toHaveLength(3);
    });
  },
);

describe('downloadImage over a line that breaks', () => {
  it('begins anew when parts of two files without an ETag do not fit together', async () => {
    const poisoned = Buffer.from(RAW).fill(0xaa, 0, 100);
    await using server = await serve((request, response) => {
      if (server.requests.length > 1) sendFile(request, response, { bytes: RAW, etag: null });
      else sendFile(request, response, { bytes: poisoned, etag: null, until: 1000 });
    });
    await using test = await downloads();
    await test.run(described(server.url, 'raw', RAW, RAW));
    expect((await test.written()).equals(RAW)).toBe(true);
    expect(server.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=1000-',
      undefined,
    ]);
  });

  it('does not begin anew for wrong bytes that came in one piece', async () => {
    const swapped = Buffer.from(RAW).fill(0xaa, 0, 100);
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: swapped });
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, 'raw', RAW, RAW)))).toBe('agent/image');
    expect(server.requests).toHaveLength(1);
  });

  it('begins anew when a server ignores If-Range and sends a part of another file', async () => {
    await using server = await serve((request, response) => {
      if (server.requests.length === 1) {
        sendFile(request, response, { bytes: RAW, etag: '"0"', until: 1000 });
      } else {
        delete request.headers['if-range'];
        sendFile(request, response, { bytes: RAW, etag: '"1"' });
      }
    });
    await using test = await downloads();
    await test.run(described(server.url, 'raw', RAW, RAW));
    expect((await test.written()).equals(RAW)).toBe(true);
    expect(server.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=1000-',
      undefined,
    ]);
  });

  it('begins anew when there is no rest of that file (416)', async () => {
    await using server = await serve((request, response) => {
      if (server.requests.length === 2) response.writeHead(416).end();
      else
        sendFile(request, response, {
          bytes: RAW,
          ...(server.requests.length === 1 ? { until: 1000 } : {}),
        });
    });
    await using test = await downloads();
    await test.run(described(server.url, 'raw', RAW, RAW));
    expect((await test.written()).equals(RAW)).toBe(true);
    expect(test.fetched()).toBe(RAW.length + 1000);
  });

  it.each([
    'bytes 0-299999/300000',
    'bytes 1001-299999/300000',
    'bytes 1000-300000/300001',
    'bytes 1000-299999/300001',
    'bytes */300000',
    '1000-299999',
    '',
  ])('refuses the Content-Range %p', async (range) => {
    await using server = await serve((request, response) => {
      if (server.requests.length === 1) sendFile(request, response, { bytes: RAW, until: 1000 });
      else response.writeHead(206, { 'content-range': range, etag: '"1"' }).end(RAW.subarray(1000));
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, 'raw', RAW, RAW)))).toBe('agent/answer');
    expect(server.requests).toHaveLength(2);
  });

  it('gives up a file that always breaks off at the same byte', async () => {
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: RAW, until: 1000 });
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, 'raw', RAW, RAW)))).toBe(
      'agent/unreachable',
    );
    expect(server.requests).toHaveLength(5);
    expect(test.waits).toEqual([1000, 2000, 4000, 8000]);
  });

  it('gives up a body that ends early with a good end', async () => {
    await using server = await serve((request, response) => {
      response.writeHead(request.headers.range === undefined ? 200 : 416);
      response.write(RAW.subarray(0, 1000));
      response.end();
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, 'raw', RAW, RAW)))).toBe(
      'agent/unreachable',
    );
    expect(server.requests.length).toBeLessThan(12);
  });

  it('gives up a server that never resumes', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': RAW.length });
      response.write(RAW.subarray(0, 200_000), () => response.destroy());
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, 'raw', RAW, RAW)))).toBe('agent/answer');
    expect(server.requests.length).toBeLessThan(12);
  });

  it('takes silence for a break, and resumes', async () => {
    await using server = await serve((request, response) => {
      if (server.requests.length > 1) sendFile(request, response, { bytes: RAW });
      else response.writeHead(200, { etag: '"1"' }).write(RAW.subarray(0, 100_000));
    });
    await using test = await downloads();
    await test.run(described(server.url, 'raw', RAW, RAW), { stallMs: 50 });
    expect((await test.written()).equals(RAW)).toBe(true);
    expect(test.fetched()).toBe(RAW.length);
  });

  it('gives up on a drip of single bytes', async () => {
    await using server = await serve((request, response) => {
      const start = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
      const range = `bytes ${start}-${RAW.length - 1}/${RAW.length}`;
      response.writeHead(start === 0 ? 200 : 206, { 'content-range': range });
      let at = start;
      const drip = setInterval(() => {
        response.write(RAW.subarray(at, at + 1));
        at += 1;
      }, 5);
      response.on('close', () => {
        clearInterval(drip);
      });
    });
    await using test = await downloads();
    const running = test.run(described(server.url, 'raw', RAW, RAW), { stallMs: 60 });
    expect(await codeOf(running)).toBe('agent/unreachable');
    expect(server.requests).toHaveLength(5);
  });

  it('asks again after 5xx and 429, and waits as long as it is told', async () => {
    const answers = [500, 503, 429];
    await using server = await serve((request, response) => {
      const status = answers[server.requests.length - 1];
      if (status === undefined) sendFile(request, response, { bytes: RAW });
      else response.writeHead(status, status === 500 ? {} : { 'retry-after': '7' }).end('no');
    });
    await using test = await downloads();
    await test.run(described(server.url, 'raw', RAW, RAW));
    expect((await test.written()).equals(RAW)).toBe(true);
    expect(test.waits).toEqual([1000, 7000, 2000, 7000, 4000]);
  });

  it('leaves it to the next poll when it is told to wait for an hour', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(503, { 'retry-after': '3600' }).end();
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, 'raw', RAW, RAW)))).toBe(
      'agent/unreachable',
    );
    expect(server.requests).toHaveLength(1);
    expect(test.waits).toEqual([]);
  });
});
