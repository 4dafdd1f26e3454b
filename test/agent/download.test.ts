import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { downloadImage } from '../../agent/download.ts';
import { AgentError } from '../../agent/errors.ts';
import { noise } from '../support/noise.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { codeOf } from './error-code.ts';
import { described, downloads, pack } from './image-download.ts';
import { sendFile, serve } from './loopback-server.ts';

const FORMATS = ['raw', 'lz4', 'zstd'] as const;
const RAW = noise(300_000);

describe.each(FORMATS)('downloadImage %s', (format) => {
  const stored = pack(format, RAW);

  it('writes the raw image, in one request and every byte once', async () => {
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: stored });
    });
    await using test = await downloads();
    await test.run(described(server.url, format, RAW, stored));
    expect((await test.written()).equals(RAW)).toBe(true);
    expect(server.requests).toHaveLength(1);
    expect(test.fetched()).toBe(stored.length);
  });

  it('reads file: URLs as well', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'image'), stored);
    await using test = await downloads();
    const { href } = pathToFileURL(join(folder.path, 'image'));
    await test.run(described(href, format, RAW, stored));
    expect((await test.written()).equals(RAW)).toBe(true);
    expect(test.fetched()).toBe(stored.length);
  });

  it('refuses stored bytes that were swapped for others of the same length', async () => {
    const swapped = pack(format, Buffer.from(RAW).fill(7, 1000, 1010));
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: swapped.subarray(0, stored.length) });
    });
    await using test = await downloads();
    const source = described(server.url, format, RAW, stored);
    expect(
      await codeOf(test.run({ ...source, file: { ...source.file, length: swapped.length } })),
    ).toBe('agent/image');
  });

  it('refuses a raw image that is not the one of the release document', async () => {
    const other = pack(format, noise(299_999));
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: other });
    });
    await using test = await downloads();
    // The stored bytes are those of the metadata; only what comes out of them is not.
    expect(await codeOf(test.run(described(server.url, format, RAW, other)))).toBe('agent/image');
  });

  it('refuses stored bytes that are not the signed ones, even if the same image comes out', async () => {
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: stored });
    });
    await using test = await downloads();
    const { file, image } = described(server.url, format, RAW, stored);
    const signed = { ...file, sha256: '0'.repeat(64) };
    expect(await codeOf(test.run({ file: signed, image }))).toBe('agent/image');
  });

  it('ends a bomb without writing more than the image may have', async () => {
    const bomb = pack(format, Buffer.alloc(8_000_000));
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: bomb });
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, format, RAW, bomb)))).toBe('agent/image');
    expect((await test.written()).length).toBeLessThanOrEqual(RAW.length);
  });

  it('cuts an endless body at the signed length', async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200);
      const go = () => {
        while (!response.destroyed && response.write(stored.subarray(0, 10_000)));
      };
      response.write(stored);
      response.on('drain', go);
      go();
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, format, RAW, stored)))).toBe(
      'agent/too-large',
    );
    expect(test.fetched()).toBeLessThanOrEqual(stored.length);
  });
});

describe('downloadImage of a body that never comes to its point', () => {
  // The signed length is the end of all of them, whatever their format would allow.
  it.each([
    {
      case: 'lz4 frames without content',
      format: 'lz4' as const,
      packed: Buffer.concat(Array.from({ length: 20_000 }, () => pack('lz4', Buffer.alloc(0)))),
    },
    {
      case: 'lz4 frames that are to be skipped',
      format: 'lz4' as const,
      packed: Buffer.alloc(200_000, Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 0, 0, 0, 0])),
    },
    {
      case: 'zstd blocks without content',
      format: 'zstd' as const,
      packed: Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0]), Buffer.alloc(300_000)]),
    },
  ])('refuses $case', async ({ format, packed }) => {
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: packed });
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, format, RAW, packed)))).toBe('agent/image');
    expect(test.fetched()).toBeLessThanOrEqual(packed.length);
    expect(await test.written()).toHaveLength(0);
  });
});

describe('downloadImage', () => {
  it('refuses a length that is not the signed one before it reads the body', async () => {
    await using test = await downloads();
    for (const size of [RAW.length + 1, RAW.length - 1]) {
      await using server = await serve((request, response) => {
        sendFile(request, response, { bytes: Buffer.alloc(size) });
      });
      const code = await codeOf(test.run(described(server.url, 'raw', RAW, RAW)));
      expect(code).toBe('agent/answer');
    }
    expect(test.fetched()).toBe(0);
  });

  it('writes an image of no bytes', async () => {
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: Buffer.alloc(0) });
    });
    await using test = await downloads();
    const empty = Buffer.alloc(0);
    await test.run(described(server.url, 'raw', empty, empty));
    expect((await test.written()).length).toBe(0);
  });

  it.each([
    [403, 'agent/not-there'],
    [404, 'agent/not-there'],
    [410, 'agent/not-there'],
    [400, 'agent/answer'],
    [204, 'agent/answer'],
    [206, 'agent/answer'],
  ])('asks no second time after status %i', async (status, code) => {
    await using server = await serve((_request, response) => {
      response.writeHead(status).end();
    });
    await using test = await downloads();
    expect(await codeOf(test.run(described(server.url, 'raw', RAW, RAW)))).toBe(code);
    expect(server.requests).toHaveLength(1);
  });

  it('stops when it is told to, without another try', async () => {
    const stop = new AbortController();
    await using server = await serve((_request, response) => {
      response.writeHead(200);
      response.write(RAW.subarray(0, 1000), () => {
        stop.abort();
      });
    });
    await using test = await downloads();
    const running = test.run(described(server.url, 'raw', RAW, RAW), { signal: stop.signal });
    expect(await codeOf(running)).toBe('agent/stopped');
    expect(server.requests).toHaveLength(1);
  });

  it('ends its request when the disk is full', async () => {
    await using server = await serve((request, response) => {
      sendFile(request, response, { bytes: RAW });
    });
    let wasAbandoned = false;
    const full = {
      writeImage: () =>
        Promise.resolve({
          write: () => Promise.reject(new AgentError('agent/full', 'no room')),
          restart: () => Promise.resolve(),
          finish: () => Promise.resolve(),
          abandon: () => {
            wasAbandoned = true;
            return Promise.resolve();
          },
        }),
    };
    const source = described(server.url, 'raw', RAW, RAW);
    expect(await codeOf(downloadImage(full, 'root', source))).toBe('agent/full');
    expect(wasAbandoned).toBe(true);
    expect(server.requests).toHaveLength(1);
  });
});
