import { describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { openHttpProbe } from '../../../adapters/storage/http-probe.ts';
import type { ProbedAnswer } from '../../../adapters/storage/http-probe.ts';
import { serveHosts } from '../../support/host-server.ts';

const OBJECTS = new Map([['metadata/timestamp.json', Buffer.from('content')]]);

async function textOf({ body }: ProbedAnswer): Promise<string> {
  const chunks = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('openHttpProbe', () => {
  it('gives status and headers beside the bytes', async () => {
    await using server = await serveHosts(OBJECTS);
    const answer = await openHttpProbe({ url: server.url }).ask('metadata/timestamp.json');
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-cache']);
    expect(await textOf(answer)).toBe('content');
  });

  it.each([403, 404, 410, 500])('takes %i for an answer', async (status) => {
    await using server = await serveHosts(OBJECTS, () => ({ status }));
    const answer = await openHttpProbe({ url: `${server.url}/` }).ask('metadata/timestamp.json');
    expect(answer.status).toBe(status);
    await textOf(answer);
  });

  it('passes headers on', async () => {
    await using server = await serveHosts(OBJECTS);
    const probe = openHttpProbe({ url: server.url });
    const answer = await probe.ask('metadata/timestamp.json', { range: 'bytes=0-0' });
    expect([answer.status, await textOf(answer)]).toEqual([206, 'c']);
  });

  it('reads what is compressed on its way, and lets the header tell', async () => {
    await using server = await serveHosts(OBJECTS, () => ({
      body: gzipSync(Buffer.from('content')),
      headers: { 'content-encoding': 'gzip' },
    }));
    const answer = await openHttpProbe({ url: server.url }).ask('metadata/timestamp.json');
    expect([answer.headers.get('content-encoding'), await textOf(answer)]).toEqual([
      'gzip',
      'content',
    ]);
  });

  it('fails when the body breaks off', async () => {
    await using server = await serveHosts(OBJECTS, () => ({ isCut: true }));
    const answer = await openHttpProbe({ url: server.url }).ask('metadata/timestamp.json');
    await expect(textOf(answer)).rejects.toMatchObject({ code: 'storage/unavailable' });
  });

  it('fails when nobody answers, and asks for no name that is none', async () => {
    const { url } = await (async () => {
      await using server = await serveHosts(OBJECTS);
      return server;
    })();
    const probe = openHttpProbe({ url });
    await expect(probe.ask('x')).rejects.toMatchObject({ code: 'storage/unavailable' });
    await expect(probe.ask('../x')).rejects.toMatchObject({ code: 'storage/name' });
    expect(() => openHttpProbe({ url: 'http://user:secret@host/' })).toThrow(
      expect.objectContaining({ code: 'storage/name' }),
    );
  });
});
