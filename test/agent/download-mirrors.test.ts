import { zstdCompressSync } from 'node:zlib';
import type { RequestListener } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { Network } from '../../agent/network/network.ts';
import { noise } from '../support/noise.ts';
import { codeOf } from './error-code.ts';
import { described, downloads, pack } from './image-download.ts';
import { sendFile, serve } from './loopback-server.ts';
import { PLAIN_NETWORK } from '../../agent/network/settings.ts';

const RAW = noise(300_000);
const LIE = Buffer.from(RAW).fill(0xaa, 1000, 2000);

const honest: RequestListener = (request, response) => {
  sendFile(request, response, { bytes: RAW });
};
const silent: RequestListener = () => {};

/** An image that lies at both servers, in this order. */
async function setup(first: RequestListener, second: RequestListener) {
  const servers = [await serve(first), await serve(second)] as const;
  const test = await downloads();
  const failures: string[] = [];
  const { file, image } = described(servers[0].url, 'raw', RAW, RAW);
  return {
    ...{ servers, test, failures },
    run: () =>
      test.run(
        { file: { ...file, mirrors: [servers[1].url] }, image },
        { stallMs: 60, onPlaceFailed: ({ code }) => failures.push(code) },
      ),
    async [Symbol.asyncDispose]() {
      for (const each of [...servers, test]) await each[Symbol.asyncDispose]();
    },
  };
}

describe('downloadImage with a mirror', () => {
  it.each<{ first: string; answer: RequestListener; code: string }>([
    { first: 'never answers', answer: silent, code: 'agent/unreachable' },
    {
      first: 'does not have it',
      answer: (_, response) => response.writeHead(404).end(),
      code: 'agent/not-there',
    },
    {
      first: 'wants a password',
      answer: (_, response) => response.writeHead(401).end(),
      code: 'agent/answer',
    },
    {
      first: 'is broken',
      answer: (_, response) => response.writeHead(500).end(),
      code: 'agent/unreachable',
    },
    {
      first: 'has other bytes of the same length',
      answer: (request, response) => {
        sendFile(request, response, { bytes: LIE });
      },
      code: 'agent/image',
    },
    {
      first: 'has fewer bytes',
      answer: (_, response) => response.end(RAW.subarray(1)),
      code: 'agent/answer',
    },
    {
      first: 'has more bytes',
      answer: (_, response) => response.end(Buffer.concat([LIE, LIE])),
      code: 'agent/answer',
    },
    {
      first: 'drips single bytes',
      answer: (_, response) => {
        const drip = setInterval(() => response.write('x'), 10);
        response.on('close', () => {
          clearInterval(drip);
        });
      },
      code: 'agent/unreachable',
    },
  ])('fetches there what the first place, which $first, does not give', async (row) => {
    await using world = await setup(row.answer, honest);
    await world.run();
    expect((await world.test.written()).equals(RAW)).toBe(true);
    expect(world.failures).toEqual([row.code]);
  });

  it('goes on there where the first place broke off for good, and fetches no byte twice', async () => {
    await using world = await setup((request, response) => {
      const isFirst = request.headers.range === undefined;
      if (isFirst) sendFile(request, response, { bytes: RAW, until: 100_000 });
      else response.writeHead(503).end();
    }, honest);
    await world.run();
    expect((await world.test.written()).equals(RAW)).toBe(true);
    expect(world.test.fetched()).toBe(RAW.length);
    const { headers } = world.servers[1].requests[0] ?? {};
    // As far as the bytes came before the connection was broken.
    const [, from] = /^bytes=(\d+)-$/.exec(headers?.range ?? '') ?? [];
    expect(Number(from)).toBeGreaterThan(0);
    expect(Number(from)).toBeLessThanOrEqual(100_000);
    expect(headers).not.toHaveProperty('if-range');
  });

  it('begins anew there when the first place had poisoned the part that it gave', async () => {
    await using world = await setup((request, response) => {
      const isFirst = request.headers.range === undefined;
      if (isFirst) sendFile(request, response, { bytes: LIE, until: 100_000 });
      else response.writeHead(503).end();
    }, honest);
    await world.run();
    expect((await world.test.written()).equals(RAW)).toBe(true);
    expect(world.servers[1].requests.map(({ headers }) => headers.range)).toEqual([
      expect.stringMatching(/^bytes=[1-9]\d*-$/),
      undefined,
    ]);
  });

  it('accepts nothing else there', async () => {
    const liar: RequestListener = (request, response) => {
      sendFile(request, response, { bytes: LIE });
    };
    await using world = await setup(liar, liar);
    expect(await codeOf(world.run())).toBe('agent/image');
    expect(world.servers.map(({ requests }) => requests.length)).toEqual([1, 1]);
  });

  it('counts as away when the first place is away and the other one lies', async () => {
    await using world = await setup(silent, (request, response) => {
      sendFile(request, response, { bytes: LIE });
    });
    expect(await codeOf(world.run())).toBe('agent/unreachable');
  });

  it('is not asked when the signed file itself is not the image of its document', async () => {
    const other = zstdCompressSync(noise(1000));
    const serveOther: RequestListener = (request, response) => {
      sendFile(request, response, { bytes: other });
    };
    await using first = await serve(serveOther);
    await using second = await serve(serveOther);
    await using test = await downloads();
    const { file, image } = described(first.url, 'zstd', RAW, other);
    const source = { file: { ...file, mirrors: [second.url] }, image };
    expect(await codeOf(test.run(source))).toBe('agent/image');
    expect(second.requests).toHaveLength(0);
  });
});

describe('downloadImage with a limit', () => {
  it('takes as long as the limit wants, and silence is still told from slowness', async () => {
    const bytes = pack('raw', RAW);
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes });
    });
    await using test = await downloads();
    const network = new Network({ ...PLAIN_NETWORK, limit: 1_000_000 }, {});
    const started = performance.now();
    await test.run(described(server.url, 'raw', RAW, bytes), { network, stallMs: 60 });
    // A tenth of a second's worth is free.
    expect(performance.now() - started).toBeGreaterThanOrEqual(190);
    expect((await test.written()).equals(RAW)).toBe(true);
    expect(server.requests).toHaveLength(1);
  });
});
