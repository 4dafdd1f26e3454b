import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Updater } from 'tuf-js';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { objectsOf } from '../support/objects-of.ts';
import { alteredStorage } from './altered-storage.ts';
import { setup } from './setup.ts';

/** A published image of the repository: its path on the server, and its bytes. */
async function anImage(storage: Storage) {
  const objects = await objectsOf(storage);
  const [name = ''] = Object.keys(objects).filter((object) => object.endsWith('1.1.0-root'));
  return { path: `/repo/${name}`, name, text: 'root of 1.1.0' };
}

describe('GET /repo/', () => {
  it('serves every object of the repository as it is stored', async () => {
    await using server = await setup();
    for (const [name, bytes] of Object.entries(await objectsOf(server.storage))) {
      const answer = await fetch(`${server.url}/repo/${name}`);
      const body = Buffer.from(await answer.arrayBuffer());
      expect([name, answer.status, body.equals(bytes)]).toEqual([name, 200, true]);
      expect(answer.headers.get('content-length')).toBe(String(bytes.length));
      expect(answer.headers.get('accept-ranges')).toBe('bytes');
    }
  });

  it('is a repository that tuf-js reads', async () => {
    await using server = await setup();
    const objects = await objectsOf(server.storage);
    const root = objects['metadata/1.root.json'] ?? new Uint8Array();
    const folder = await mkdtemp(join(tmpdir(), 'tidegate-server-'));
    await writeFile(join(folder, 'root.json'), root);
    const updater = new Updater({
      metadataDir: folder,
      metadataBaseUrl: `${server.url}/repo/metadata`,
      targetBaseUrl: `${server.url}/repo/targets`,
    });
    await updater.refresh();
    const info = await updater.getTargetInfo('aws-k8s-1.32-x86_64-1.1.0-root');
    if (info === undefined) throw new Error('the image is not published');
    const file = await updater.downloadTarget(info, join(folder, 'download'));
    expect(await readFile(file, 'utf8')).toBe('root of 1.1.0');
    await rm(folder, { recursive: true });
  });

  it('lets caches keep what never changes, and nothing else', async () => {
    await using server = await setup();
    const caching = async (path: string) =>
      (await server.agent.get(path)).headers['cache-control'] ?? '';
    expect(await caching('/repo/metadata/1.root.json')).toMatch('immutable');
    expect(await caching((await anImage(server.storage)).path)).toMatch('immutable');
    expect(await caching('/repo/metadata/timestamp.json')).toBe('no-cache');
    expect(await caching('/repo/metadata/99.root.json')).toBe('no-store');
  });

  it.each([
    { range: 'bytes=0-3', status: 206, text: 'root', contentRange: 'bytes 0-3/13' },
    { range: 'bytes=5-', status: 206, text: 'of 1.1.0', contentRange: 'bytes 5-12/13' },
    { range: 'bytes=-5', status: 206, text: '1.1.0', contentRange: 'bytes 8-12/13' },
    { range: 'bytes=-99', status: 206, text: 'root of 1.1.0', contentRange: 'bytes 0-12/13' },
    { range: 'bytes=8-99', status: 206, text: '1.1.0', contentRange: 'bytes 8-12/13' },
    { range: 'bytes=12-12', status: 206, text: '0', contentRange: 'bytes 12-12/13' },
    { range: 'bytes=13-', status: 416, text: '', contentRange: 'bytes */13' },
    { range: 'bytes=-0', status: 416, text: '', contentRange: 'bytes */13' },
    { range: 'bytes=3-1', status: 200, text: 'root of 1.1.0', contentRange: undefined },
    { range: 'bytes=0-1,4-5', status: 200, text: 'root of 1.1.0', contentRange: undefined },
    { range: 'bytes=-', status: 200, text: 'root of 1.1.0', contentRange: undefined },
    { range: 'lines=0-3', status: 200, text: 'root of 1.1.0', contentRange: undefined },
    { range: 'bytes=x', status: 200, text: 'root of 1.1.0', contentRange: undefined },
  ])('answers $range with $status', async ({ range, status, text, contentRange }) => {
    await using server = await setup();
    const { path } = await anImage(server.storage);
    const answer = await fetch(server.url + path, { headers: { range } });
    expect([answer.status, await answer.text()]).toEqual([status, text]);
    expect(answer.headers.get('content-range') ?? undefined).toBe(contentRange);
  });

  it('gives a part only of the object that the client has', async () => {
    await using server = await setup();
    const { path } = await anImage(server.storage);
    const { headers } = await server.agent.head(path);
    const part = async (ifRange: string) =>
      (await fetch(server.url + path, { headers: { range: 'bytes=0-3', 'if-range': ifRange } }))
        .status;
    expect(await part(headers['etag'] ?? '')).toBe(206);
    expect(await part('"another"')).toBe(200);
    expect(await part('Wed, 21 Oct 2037 07:28:00 GMT')).toBe(200);
  });

  it('does not send again what the client has', async () => {
    await using server = await setup();
    const path = '/repo/metadata/timestamp.json';
    const { etag = '' } = (await server.agent.get(path)).headers;
    const ask = (known: string) => server.agent.get(path).set('if-none-match', known);
    expect((await ask(etag)).status).toBe(304);
    expect((await ask(`"other", W/${etag}`)).status).toBe(304);
    expect((await ask('"other"')).status).toBe(200);
    await server.post('/api/v1/rollouts', {
      variant: 'aws-k8s-1.32',
      arch: 'x86_64',
      version: '1.1.0',
    });
    await server.context.commitPending();
    expect((await ask(etag)).status).toBe(200);
  });

  it('answers HEAD with the headers alone', async () => {
    await using server = await setup();
    const { path } = await anImage(server.storage);
    const answer = await server.agent.head(path);
    expect([answer.status, answer.headers['content-length'], answer.text ?? '']).toEqual([
      200,
      '13',
      '',
    ]);
  });

  it.each([
    '/repo/metadata/2.root.json',
    '/repo/metadata/root.json',
    '/repo/metadata/01.root.json',
    '/repo/metadata/1.root.json.tmp',
    '/repo/metadata/..%2Ftargets%2Fx',
    '/repo/metadata/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '/repo/metadata/.lock',
    '/repo/targets/manifest.json',
    `/repo/targets/${'0'.repeat(64)}.manifest.json`,
    `/repo/targets/${'0'.repeat(64)}.a%2Fb`,
    `/repo/targets/${'0'.repeat(64)}.`,
    '/repo/',
    '/repo/metadata/',
  ])('answers 404 to %s', async (path) => {
    await using server = await setup();
    const answer = await server.agent.get(path);
    expect(answer.status).toBe(404);
    expect(answer.headers['content-type']).toMatch('application/problem+json');
  });

  it('refuses other methods', async () => {
    await using server = await setup();
    const answer = await server.agent.put('/repo/metadata/timestamp.json').send('x');
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, HEAD']);
  });

  it('tolerates the query parameters of updog, and counts its requests', async () => {
    await using server = await setup();
    const query = '?seed=1322&version=1.28.0&target=1.29.0';
    expect((await server.agent.get(`/repo/metadata/1.root.json${query}`)).status).toBe(200);
    expect((await server.agent.get(`/repo/metadata/2.root.json${query}`)).status).toBe(404);
    const { text } = await server.agent.get('/metrics');
    expect(text).toMatch('tidegate_updog_requests_total 2');
    expect(text).toMatch('tidegate_updog_seeds{version="1.28.0"} 1');
  });

  it('says 503 while the storage is away', async () => {
    await using server = await setup();
    server.outages.storage.isAway = true;
    const answer = await server.agent.get('/repo/metadata/timestamp.json');
    expect([answer.status, answer.body.code]).toEqual([503, 'storage/unavailable']);
  });
});

/** A storage with one more target, whose name begins with a zero. */
function withTarget(inner: Storage, size: number, body: () => AsyncIterable<Uint8Array>): Storage {
  const isIt = (name: string) => name.startsWith('targets/0');
  return alteredStorage(inner, {
    stat: async (name) => (isIt(name) ? { size, etag: 'e' } : inner.stat(name)),
    get: async (name) => (isIt(name) ? { size, etag: 'e', body: body() } : inner.get(name)),
  });
}

const TARGET = `/repo/targets/${'0'.repeat(64)}.x`;

describe('a broken transfer', () => {
  it('closes the stored object when the client goes away', async () => {
    const closed = Promise.withResolvers<void>();
    async function* endless() {
      try {
        for (;;) yield Buffer.alloc(64 * 1024);
      } finally {
        closed.resolve();
      }
    }
    await using first = await setup();
    await using server = await setup({ storage: withTarget(first.storage, 1e15, endless) });
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`GET ${TARGET} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await once(socket, 'data');
    socket.destroy();
    await closed.promise;
    expect((await server.checkIn()).status).toBe(200);
  });

  it('is cut off, and logged, when the storage breaks in the middle', async () => {
    await using first = await setup();
    async function* body() {
      yield Buffer.from('some');
      throw new StorageError('storage/unavailable', 'connection reset');
    }
    await using server = await setup({ storage: withTarget(first.storage, 10, body) });
    const broken = fetch(server.url + TARGET).then((answer) => answer.arrayBuffer());
    await expect(broken).rejects.toBeDefined();
    expect(server.logged).toContainEqual(expect.objectContaining({ msg: 'object broken off' }));
  });

  it('sends the whole when the object was replaced before its part was read', async () => {
    await using first = await setup();
    const old = await first.storage.stat('metadata/timestamp.json');
    const storage = alteredStorage(first.storage, {
      stat: async (name) =>
        name === 'metadata/timestamp.json' ? { ...old, etag: 'old' } : first.storage.stat(name),
    });
    await using server = await setup({ storage });
    const answer = await fetch(`${server.url}/repo/metadata/timestamp.json`, {
      headers: { range: 'bytes=0-3' },
    });
    expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, old.size]);
    expect(answer.headers.get('etag')).toBe(`"${old.etag}"`);
  });
});
