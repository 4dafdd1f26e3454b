import {
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPlace } from '../../../adapters/storage/s3-client.ts';
import { removeAbandonedStaging } from '../../../adapters/storage/s3-staging.ts';
import { parseS3Url } from '../../../adapters/storage/s3-url.ts';
import { openStorage } from '../../../adapters/storage/open.ts';
import type { PutOptions, Storage } from '../../../adapters/storage/storage.ts';
import { collect, generated } from '../../support/bytes.ts';
import {
  errorAnswer,
  startCephProxy,
  startCheckingFirstProxy,
  startGarageProxy,
  startS3Proxy,
} from '../../support/s3-proxies.ts';
import type { S3Behaviour, S3Proxy, S3Request } from '../../support/s3-proxies.ts';
import { startVersitygw } from '../../support/versitygw.ts';
import type { Versitygw } from '../../support/versitygw.ts';
import { startStorageWorker } from '../../support/workers.ts';
import { describeStorageContract } from './contract.ts';

const MIB = 1024 * 1024;
const CREATE: PutOptions = { condition: { kind: 'create-only' }, cacheControl: 'immutable' };
const IMMUTABLE = { cacheControl: 'immutable' } as const;

let gateway: Versitygw;
let ceph: S3Proxy;
let client: S3Client;
let prefixes = 0;

beforeAll(async () => {
  gateway = await startVersitygw();
  ceph = await startCephProxy(gateway.endpoint);
  client = clientOf(gateway.endpoint);
});

afterAll(async () => {
  client.destroy();
  await ceph[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
});

function clientOf(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    forcePathStyle: true,
    region: gateway.env.AWS_REGION,
    credentials: {
      accessKeyId: gateway.env.AWS_ACCESS_KEY_ID,
      secretAccessKey: gateway.env.AWS_SECRET_ACCESS_KEY,
    },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

function replacing(etag: string): PutOptions {
  return { condition: { kind: 'replace-if-unchanged', etag }, cacheControl: 'no-cache' };
}

function newPrefix(): string {
  prefixes += 1;
  return `run-${prefixes}/repository`;
}

function open(url: string, access: 'read' | 'write' = 'write'): Promise<Storage> {
  return openStorage(url, { access, cwd: '/', env: gateway.env });
}

/** A storage behind a proxy whose behaviour is switched on when the storage has been opened. */
async function behind(
  behaviour: S3Behaviour,
): Promise<
  AsyncDisposable & { readonly storage: Storage; readonly direct: Storage; readonly prefix: string }
> {
  let isOn = false;
  await using stack = new AsyncDisposableStack();
  const prefix = newPrefix();
  const proxy = stack.use(
    await startS3Proxy(gateway.endpoint, (request, forward) =>
      isOn ? behaviour(request, forward) : forward(),
    ),
  );
  const storage = stack.use(await open(gateway.storageUrl(prefix, proxy.endpoint)));
  const direct = stack.use(await open(gateway.storageUrl(prefix)));
  isOn = true;
  const kept = stack.move();
  return { storage, direct, prefix, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function keysOf(prefix: string): Promise<(string | undefined)[]> {
  const { Contents: contents = [] } = await client.send(
    new ListObjectsV2Command({ Bucket: gateway.bucket, Prefix: prefix }),
  );
  return contents.map(({ Key: key }) => key);
}

async function uploadsOf(prefix: string): Promise<unknown[]> {
  const { Uploads: uploads = [] } = await client.send(
    new ListMultipartUploadsCommand({ Bucket: gateway.bucket, Prefix: prefix }),
  );
  return uploads;
}

async function textOf(storage: Storage, name: string): Promise<string> {
  return (await collect((await storage.get(name)).body)).toString();
}

function isPutOf(request: S3Request, name: string): boolean {
  return request.method === 'PUT' && request.url.pathname.endsWith(`/${name}`);
}

function isCompletion(request: S3Request): boolean {
  return request.method === 'POST' && request.url.searchParams.has('uploadId');
}

describeStorageContract('s3 on versitygw', () => open(gateway.storageUrl(newPrefix())));

describeStorageContract('s3 on a store that takes If-Match only without quotes', () =>
  open(gateway.storageUrl(newPrefix(), ceph.endpoint)),
);

describe('the stand-in for Ceph', () => {
  it('refuses an If-Match in quotes that the store itself takes', async () => {
    const key = `${newPrefix()}/a`;
    const at = { Bucket: gateway.bucket, Key: key, Body: 'x' };
    const { ETag: etag = '' } = await client.send(new PutObjectCommand(at));
    await client.send(new PutObjectCommand({ ...at, IfMatch: etag }));
    const throughProxy = clientOf(ceph.endpoint);
    await expect(
      throughProxy.send(new PutObjectCommand({ ...at, IfMatch: etag })),
    ).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } });
    throughProxy.destroy();
  });
});

describe('opening for writing', () => {
  it.each<{ readonly case: string; readonly dropped: (request: S3Request) => boolean }>([
    { case: 'every condition', dropped: () => true },
    { case: 'If-Match', dropped: ({ headers }) => 'if-match' in headers },
    { case: 'If-None-Match', dropped: (request) => request.method === 'PUT' },
    { case: 'the condition of a multipart upload', dropped: isCompletion },
  ])('refuses a store that accepts and ignores $case', async ({ dropped }) => {
    await using garage = await startGarageProxy(gateway.endpoint, gateway.env, dropped);
    const prefix = newPrefix();
    await expect(open(gateway.storageUrl(prefix, garage.endpoint))).rejects.toMatchObject({
      code: 'storage/unsafe',
    });
    expect(await keysOf(prefix)).toEqual([]);
    expect(await uploadsOf(prefix)).toEqual([]);
  });

  it.each([
    { case: 'knows no conditions', status: 501, code: 'NotImplemented' },
    { case: 'refuses the right ETag', status: 412, code: 'PreconditionFailed' },
  ])('refuses a store that $case', async ({ status, code }) => {
    await using proxy = await startS3Proxy(gateway.endpoint, async ({ headers }, forward) =>
      'if-match' in headers ? errorAnswer(status, code) : forward(),
    );
    await expect(open(gateway.storageUrl(newPrefix(), proxy.endpoint))).rejects.toMatchObject({
      code: 'storage/unsafe',
    });
  });

  it('refuses a store that lets in all who come at the same time', async () => {
    await using proxy = await startCheckingFirstProxy(gateway.endpoint, gateway.env);
    const prefix = newPrefix();
    await expect(open(gateway.storageUrl(prefix, proxy.endpoint))).rejects.toMatchObject({
      code: 'storage/unsafe',
      message: expect.stringContaining('at once'),
    });
    expect(await keysOf(prefix)).toEqual([]);
  });

  it('refuses a store that says that it did not write what it wrote', async () => {
    await using proxy = await startS3Proxy(gateway.endpoint, async (request, forward) => {
      const answer = await forward();
      const isCreated = request.method === 'PUT' && 'if-none-match' in request.headers;
      return isCreated ? errorAnswer(412, 'PreconditionFailed') : answer;
    });
    await expect(open(gateway.storageUrl(newPrefix(), proxy.endpoint))).rejects.toMatchObject({
      code: 'storage/unsafe',
    });
  });

  it.each([
    { case: 'the first create-only put', header: 'if-none-match' },
    { case: 'the put with the right If-Match', header: 'if-match' },
  ])('is not misled when the answer to $case is lost', async ({ header }) => {
    let lost = 0;
    await using proxy = await startS3Proxy(gateway.endpoint, async (request, forward) => {
      const answer = await forward();
      if (request.method !== 'PUT' || !(header in request.headers)) return answer;
      if (answer.status !== 200 || lost > 0) return answer;
      lost += 1;
      return 'reset';
    });
    await using storage = await open(gateway.storageUrl(newPrefix(), proxy.endpoint));
    expect([lost, storage.url]).toEqual([1, expect.stringContaining('s3://')]);
  });

  it('leaves nothing in the bucket', async () => {
    const prefix = newPrefix();
    await using storage = await open(gateway.storageUrl(prefix));
    expect(storage.url).toBe(gateway.storageUrl(prefix));
    expect([await keysOf(prefix), await uploadsOf(prefix)]).toEqual([[], []]);
  });

  it.each([
    {
      case: 'a wrong secret',
      env: { AWS_SECRET_ACCESS_KEY: 'wrong' },
      expected: 'storage/denied',
    },
    {
      case: 'an unknown access key',
      env: { AWS_ACCESS_KEY_ID: 'unknown' },
      expected: 'storage/denied',
    },
  ])('says $expected for $case, when reading too', async ({ env, expected }) => {
    const options = { cwd: '/', env: { ...gateway.env, ...env } };
    const url = gateway.storageUrl(newPrefix());
    await expect(openStorage(url, { ...options, access: 'write' })).rejects.toMatchObject({
      code: expected,
    });
    await using storage = await openStorage(url, { ...options, access: 'read' });
    await expect(storage.get('a')).rejects.toMatchObject({ code: expected });
    await expect(Array.fromAsync(storage.list(''))).rejects.toMatchObject({ code: expected });
  });

  it('does not take a missing bucket for an empty repository', async () => {
    const url = gateway.storageUrl('a').replace(gateway.bucket, 'no-such-bucket');
    await expect(open(url)).rejects.toMatchObject({ code: 'storage/name' });
    await using storage = await open(url, 'read');
    await expect(storage.get('metadata/1.root.json')).rejects.toMatchObject({
      code: 'storage/name',
    });
  });
});

describe('opening for reading', () => {
  it('reads from a store that is unsafe to write to, and writes nothing', async () => {
    const prefix = newPrefix();
    await using writable = await open(gateway.storageUrl(prefix));
    await writable.put('a', Buffer.from('x'), CREATE);
    await using garage = await startGarageProxy(gateway.endpoint, gateway.env);
    await using storage = await open(gateway.storageUrl(prefix, garage.endpoint), 'read');
    expect(await textOf(storage, 'a')).toBe('x');
    const refusal = { code: 'storage/denied' };
    const options = { size: 1, ...IMMUTABLE };
    await expect(storage.put('b', Buffer.from('x'), CREATE)).rejects.toMatchObject(refusal);
    await expect(storage.putStream('b', generated(1), options)).rejects.toMatchObject(refusal);
    await expect(storage.delete('a')).rejects.toMatchObject(refusal);
    expect(await keysOf(prefix)).toEqual([`${prefix}/a`]);
  });
});

describe('what hosts are told', () => {
  it.each([
    { name: '7.root.json', cacheControl: 'immutable', type: 'application/json' },
    { name: 'timestamp.json', cacheControl: 'no-cache', type: 'application/json' },
    {
      name: 'a-x86_64-1.0.0-root.lz4',
      cacheControl: 'immutable',
      type: 'application/octet-stream',
    },
  ] as const)('$name is $cacheControl $type', async ({ name, cacheControl, type }) => {
    const prefix = newPrefix();
    await using storage = await open(gateway.storageUrl(prefix));
    await storage.put(name, Buffer.from('x'), { ...CREATE, cacheControl });
    const size = 300_000;
    await storage.putStream(`streamed/${name}`, generated(size), { size, cacheControl });
    for (const key of [name, `streamed/${name}`]) {
      const head = await client.send(
        new HeadObjectCommand({ Bucket: gateway.bucket, Key: `${prefix}/${key}` }),
      );
      expect(head.ContentType).toBe(type);
      expect(head.CacheControl).toBe(
        cacheControl === 'immutable' ? 'public, max-age=31536000, immutable' : 'no-cache',
      );
    }
  });
});

describe('a put whose answer is lost', () => {
  it.each([
    { case: 'once, and that the SDK sends again', times: 1 },
    { case: 'for good', times: 100 },
  ])('$case is known to have created the object', async ({ times }) => {
    let lost = 0;
    await using setup = await behind(async (request, forward) => {
      const answer = await forward();
      if (!isPutOf(request, 'a') || lost === times) return answer;
      lost += 1;
      return 'reset';
    });
    const etag = await setup.storage.put('a', Buffer.from('mine'), CREATE);
    expect(lost).toBeGreaterThan(0);
    expect(await setup.direct.stat('a')).toEqual({ size: 4, etag });
  });

  it('is known to have replaced the object', async () => {
    await using setup = await behind(async (request, forward) => {
      const answer = await forward();
      return isPutOf(request, 'a') ? 'reset' : answer;
    });
    const first = await setup.direct.put('a', Buffer.from('first'), CREATE);
    const second = await setup.storage.put('a', Buffer.from('second'), replacing(first));
    expect(await setup.direct.stat('a')).toEqual({ size: 6, etag: second });
    const third = await setup.storage.put('a', Buffer.from('third'), replacing(second));
    expect(await setup.direct.stat('a')).toEqual({ size: 5, etag: third });
  });

  it('is known to have replaced it even when another writer has built on it since', async () => {
    let others = 0;
    await using setup = await behind(async (request, forward) => {
      const answer = await forward();
      if (!isPutOf(request, 'a')) return answer;
      if (others === 0) {
        others += 1;
        const { etag } = await setup.direct.stat('a');
        await setup.direct.put('a', Buffer.from('theirs on mine'), replacing(etag));
      }
      return 'reset';
    });
    const first = await setup.direct.put('a', Buffer.from('first'), CREATE);
    const mine = await setup.storage.put('a', Buffer.from('mine'), replacing(first));
    expect(await textOf(setup.direct, 'a')).toBe('theirs on mine');
    // Nothing may be overwritten by whoever believes that the object is still theirs.
    await expect(
      setup.storage.put('a', Buffer.from('mine again'), replacing(mine)),
    ).rejects.toMatchObject({ code: 'storage/changed' });
  });

  it('is known to have completed an upload', async () => {
    let lost = 0;
    await using setup = await behind(async (request, forward) => {
      const answer = await forward();
      if (!isCompletion(request)) return answer;
      lost += 1;
      return 'reset';
    });
    const size = 9 * MIB;
    const etag = await setup.storage.putStream('big', generated(size), { size, ...IMMUTABLE });
    expect(lost).toBeGreaterThan(0);
    expect(await setup.direct.stat('big')).toEqual({ size, etag });
    expect(await uploadsOf(setup.prefix)).toEqual([]);
  });

  it('is storage/unavailable when it never arrived', async () => {
    await using setup = await behind(async (request, forward) =>
      isPutOf(request, 'a') ? 'reset' : forward(),
    );
    await expect(setup.storage.put('a', Buffer.from('x'), CREATE)).rejects.toMatchObject({
      code: 'storage/unavailable',
    });
    await expect(setup.direct.stat('a')).rejects.toMatchObject({ code: 'storage/not-there' });
  });
});

describe('a put that meets another writer', () => {
  it('is told apart from a broken line when the store refuses it by a reset', async () => {
    await using setup = await behind(async (request, forward) => {
      if (!isPutOf(request, 'a')) return forward();
      // The other comes after our look and before our put, and the refusal is a reset.
      await setup.direct.put('a', Buffer.from('theirs'), CREATE).catch(() => undefined);
      return 'reset';
    });
    await expect(setup.storage.put('a', Buffer.from('mine'), CREATE)).rejects.toMatchObject({
      code: 'storage/already-there',
    });
    expect(await textOf(setup.direct, 'a')).toBe('theirs');
  });

  it('is tried again after a conflict that left no object', async () => {
    let conflicts = 0;
    await using setup = await behind(async (request, forward) => {
      if (!isPutOf(request, 'a') || conflicts === 2) return forward();
      conflicts += 1;
      return errorAnswer(409, 'ConditionalRequestConflict');
    });
    const etag = await setup.storage.put('a', Buffer.from('mine'), CREATE);
    expect(conflicts).toBe(2);
    expect((await setup.direct.stat('a')).etag).toBe(etag);
  });

  it('loses an upload that was ahead until the last step, and leaves no parts', async () => {
    await using setup = await behind(async (request, forward) => {
      if (isCompletion(request)) await setup.direct.put('big', Buffer.from('theirs'), CREATE);
      return forward();
    });
    const size = 9 * MIB;
    await expect(
      setup.storage.putStream('big', generated(size), { size, ...IMMUTABLE }),
    ).rejects.toMatchObject({ code: 'storage/already-there' });
    expect(await textOf(setup.direct, 'big')).toBe('theirs');
    expect(await uploadsOf(setup.prefix)).toEqual([]);
  });
});

describe('a name that is not there, where the store says 403', () => {
  it('is storage/not-there when the store lets us list', async () => {
    await using setup = await behind(async ({ method }, forward) => {
      const answer = await forward();
      return answer.status === 404 && method !== 'PUT' ? errorAnswer(403, 'AccessDenied') : answer;
    });
    for (const read of [setup.storage.stat('a'), setup.storage.get('a')]) {
      await expect(read).rejects.toMatchObject({ code: 'storage/not-there' });
    }
    await setup.storage.put('a', Buffer.from('x'), CREATE);
    expect(await textOf(setup.storage, 'a')).toBe('x');
  });

  it('is storage/denied when it does not, and so is an object that may not be read', async () => {
    await using setup = await behind(async ({ method }, forward) =>
      method === 'GET' || method === 'HEAD' ? errorAnswer(403, 'AccessDenied') : forward(),
    );
    await setup.direct.put('there', Buffer.from('x'), CREATE);
    for (const name of ['there', 'missing']) {
      await expect(setup.storage.stat(name)).rejects.toMatchObject({ code: 'storage/denied' });
      await expect(setup.storage.get(name)).rejects.toMatchObject({ code: 'storage/denied' });
    }
  });

  it('is storage/denied for an object that may be listed but not read', async () => {
    await using setup = await behind(async ({ method, url }, forward) =>
      method === 'HEAD' || (method === 'GET' && url.pathname.endsWith('/there'))
        ? errorAnswer(403, 'AccessDenied')
        : forward(),
    );
    await setup.direct.put('there', Buffer.from('x'), CREATE);
    await expect(setup.storage.get('there')).rejects.toMatchObject({ code: 'storage/denied' });
  });
});

describe('a big object', () => {
  it('is streamed in memory that does not grow with it', async () => {
    const prefix = newPrefix();
    await using worker = startStorageWorker(['stream', gateway.storageUrl(prefix), 'big', '512'], {
      env: gateway.env,
    });
    await worker.ended();
    expect(
      (await client.send(new HeadObjectCommand({ Bucket: gateway.bucket, Key: `${prefix}/big` })))
        .ContentLength,
    ).toBe(512 * MIB);
    expect(Number(worker.lines[0])).toBeLessThan(320);
    expect(await uploadsOf(prefix)).toEqual([]);
  });

  it.each([
    { case: 'the source fails', before: 17 * MIB, size: 40 * MIB },
    { case: 'the source is too short', before: 20 * MIB, size: 20 * MIB + 1 },
  ])('leaves no parts when $case', async ({ before, size }) => {
    const prefix = newPrefix();
    await using storage = await open(gateway.storageUrl(prefix));
    async function* failing(): AsyncGenerator<Uint8Array, void, undefined> {
      yield* generated(before);
      if (size > before + 1) throw new Error('the source failed');
    }
    await expect(storage.putStream('big', failing(), { size, ...IMMUTABLE })).rejects.toThrow();
    expect([await keysOf(prefix), await uploadsOf(prefix)]).toEqual([[], []]);
  });

  it('leaves no parts when the store fails at one of them', async () => {
    await using setup = await behind(async (request, forward) =>
      request.url.searchParams.get('partNumber') === '2'
        ? errorAnswer(500, 'InternalError')
        : forward(),
    );
    const size = 40 * MIB;
    await expect(
      setup.storage.putStream('big', generated(size), { size, ...IMMUTABLE }),
    ).rejects.toMatchObject({ code: 'storage/unavailable' });
    expect([await keysOf(setup.prefix), await uploadsOf(setup.prefix)]).toEqual([[], []]);
  });

  it('is not taken for whole when the store breaks off in the middle', async () => {
    await using setup = await behind(async (request, forward) => {
      const answer = await forward();
      const isBody = request.method === 'GET' && request.url.pathname.endsWith('/big');
      return isBody ? { ...answer, body: answer.body.subarray(0, 1000), cutOff: true } : answer;
    });
    const size = 300_000;
    await setup.direct.putStream('big', generated(size), { size, ...IMMUTABLE });
    const { body } = await setup.storage.get('big');
    await expect(collect(body)).rejects.toMatchObject({ code: 'storage/unavailable' });
  });
});

describe('an object with a late name', () => {
  const size = 9 * MIB;
  const late = () => 'late';

  it('leaves no staging key and no parts, whether it succeeds or fails', async () => {
    const prefix = newPrefix();
    await using storage = await open(gateway.storageUrl(prefix));
    await storage.putStream(late, generated(size), { size, ...IMMUTABLE });
    const fail = () => {
      throw new Error('no name');
    };
    for (const [name, bytes] of [
      [late, size],
      [fail, size],
      [late, size - 1],
    ] as const) {
      await expect(
        storage.putStream(name, generated(bytes), { size, ...IMMUTABLE }),
      ).rejects.toThrow();
    }
    expect(await keysOf(prefix)).toEqual([`${prefix}/late`]);
    expect(await uploadsOf(prefix)).toEqual([]);
  });

  it('carries the headers of its final name, not those of its staging key', async () => {
    const prefix = newPrefix();
    await using storage = await open(gateway.storageUrl(prefix));
    await storage.putStream(() => 'late.json', generated(size), { size, ...IMMUTABLE });
    const head = await client.send(
      new HeadObjectCommand({ Bucket: gateway.bucket, Key: `${prefix}/late.json` }),
    );
    expect([head.ContentType, head.CacheControl]).toEqual([
      'application/json',
      'public, max-age=31536000, immutable',
    ]);
  });

  it('is refused, and the staging key removed, when the copy fails', async () => {
    await using setup = await behind(async (request, forward) =>
      'x-amz-copy-source' in request.headers ? errorAnswer(500, 'InternalError') : forward(),
    );
    await expect(
      setup.storage.putStream(late, generated(size), { size, ...IMMUTABLE }),
    ).rejects.toMatchObject({ code: 'storage/unavailable' });
    expect([await keysOf(setup.prefix), await uploadsOf(setup.prefix)]).toEqual([[], []]);
  });

  it('loses to another writer who comes during the copy', async () => {
    await using setup = await behind(async (request, forward) => {
      if ('x-amz-copy-source' in request.headers) {
        await setup.direct.put('late', Buffer.from('theirs'), CREATE);
      }
      return forward();
    });
    await expect(
      setup.storage.putStream(late, generated(size), { size, ...IMMUTABLE }),
    ).rejects.toMatchObject({ code: 'storage/already-there' });
    expect(await textOf(setup.direct, 'late')).toBe('theirs');
    expect(await keysOf(setup.prefix)).toEqual([`${setup.prefix}/late`]);
  });

  it('needs no permission to list uploads', async () => {
    await using setup = await behind(async (request, forward) =>
      request.url.searchParams.has('uploads') && request.method === 'GET'
        ? errorAnswer(403, 'AccessDenied')
        : forward(),
    );
    await setup.storage.putStream(late, generated(size), { size, ...IMMUTABLE });
    expect((await setup.direct.stat('late')).size).toBe(size);
  });

  it('has its leftovers of killed writers removed after a week, never those of running ones', async () => {
    const prefix = newPrefix();
    const place = await openPlace(parseS3Url(gateway.storageUrl(prefix)), gateway.env);
    const Bucket = gateway.bucket;
    const Key = place.keyOf('.tidegate-staging/killed');
    await client.send(new PutObjectCommand({ Bucket, Key, Body: 'half' }));
    await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    await removeAbandonedStaging(place, Date.now());
    expect([(await keysOf(prefix)).length, (await uploadsOf(prefix)).length]).toEqual([1, 1]);
    await removeAbandonedStaging(place, Date.now() + 8 * 24 * 60 * 60 * 1000);
    expect([await keysOf(prefix), await uploadsOf(prefix)]).toEqual([[], []]);
    place.client.destroy();
  });
});

describe('a store that is gone', () => {
  it('is storage/unavailable for every operation', async () => {
    await using doomed = await startVersitygw();
    const url = doomed.storageUrl('repository');
    await using storage = await openStorage(url, { access: 'write', cwd: '/', env: doomed.env });
    const etag = await storage.put('a', Buffer.from('x'), CREATE);
    await doomed.kill();
    const options = { size: 1, ...IMMUTABLE };
    const attempts = [
      storage.stat('a'),
      storage.get('a'),
      storage.put('a', Buffer.from('y'), replacing(etag)),
      storage.put('b', Buffer.from('y'), CREATE),
      storage.putStream('c', generated(1), options),
      Array.fromAsync(storage.list('')),
      storage.delete('a'),
      openStorage(url, { access: 'write', cwd: '/', env: doomed.env }),
    ];
    for (const { status, ...rest } of await Promise.allSettled(attempts)) {
      expect({ status, ...rest }).toMatchObject({
        status: 'rejected',
        reason: { code: 'storage/unavailable' },
      });
    }
  });
});
