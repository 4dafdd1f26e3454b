import { describe, expect, it } from '@jest/globals';
import { releaseJsonSchema, releaseListSchema } from '../../core/release-view.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import { NOW, PLATFORM, publishReleases, setup, START } from './setup.ts';

const LATEST = `/api/v1/releases/latest?variant=${PLATFORM.variant}&arch=${PLATFORM.arch}`;
const REASON = { reason: 'a closer look' };

describe('GET /api/v1/releases/latest', () => {
  it('tells in one request, without a token, what a new host begins with', async () => {
    await using server = await setup();
    const { body } = await server.agent.get(LATEST).expect(200);
    const latest = releaseJsonSchema.parse(body);
    expect(latest).toMatchObject({
      ...PLATFORM,
      version: '1.1.0',
      createdAt: '2039-12-31T00:00:00Z',
      document: { target: 'aws-k8s-1.32-x86_64-1.1.0-release.json' },
      rollout: null,
    });
    const [{ target, stored } = { target: '', stored: null }] = latest.images;
    const { headers, body: bytes } = await server.agent.get(
      `/repo/targets/${stored?.sha256}.${target}`,
    );
    expect(Number(headers['content-length'])).toBe(stored?.length);
    expect(bytes.toString()).toBe('boot of 1.1.0');
  });

  it.each([
    { verb: 'pause', more: {} },
    { verb: 'withdraw', more: {} },
    { verb: 'roll-back', more: { to: '1.0.0' } },
  ])('never names a release whose rollout met a $verb', async ({ verb, more }) => {
    await using server = await setup();
    const { body: rollout } = await server.post('/api/v1/rollouts', START);
    expect((await server.get(LATEST)).body.version).toBe('1.1.0');
    await server.post(`/api/v1/rollouts/${rollout.id}/${verb}`, { ...REASON, ...more });
    expect((await server.get(LATEST)).body.version).toBe('1.0.0');
  });

  it('names a release as soon as the server knows of its commit', async () => {
    await using server = await setup();
    const repository = openRepository({ storage: server.storage, now: () => NOW });
    const release = { version: '1.10.0', rollbackTo: [] };
    await publishReleases(repository, server.signers, [release]);
    await server.post('/api/v1/repository/refresh');
    expect((await server.get(LATEST)).body.version).toBe('1.10.0');
  });

  it('is answered while the storage is away, once it was', async () => {
    await using server = await setup();
    await server.get(LATEST).expect(200);
    server.outages.storage.isAway = true;
    await server.get(LATEST).expect(200);
    const list = await server.get('/api/v1/releases');
    expect([list.status, list.body.code]).toEqual([503, 'storage/unavailable']);
  });

  it.each([
    { case: 'a platform of nobody', query: '?variant=x&arch=y', status: 404 },
    { case: 'half a platform', query: '?variant=x', status: 400 },
    { case: 'an unknown question', query: '?variant=x&arch=y&version=1', status: 400 },
  ])('refuses $case', async ({ query, status }) => {
    await using server = await setup();
    const answer = await server.get(`/api/v1/releases/latest${query}`);
    expect(answer.status).toBe(status);
  });
});

describe('GET /api/v1/releases', () => {
  it('lists what is published, by version, with the rollout of each', async () => {
    await using server = await setup();
    const { body: rollout } = await server.post('/api/v1/rollouts', START);
    const { body } = await server.get('/api/v1/releases');
    const { releases } = releaseListSchema.parse(body);
    expect(releases.map(({ version, rollout: own }) => [version, own?.id ?? null])).toEqual([
      ['1.0.0', null],
      ['1.1.0', rollout.id],
    ]);
  });

  it('filters by variant and arch', async () => {
    await using server = await setup();
    const count = async (query: string) =>
      (await server.get(`/api/v1/releases?${query}`)).body.releases.length;
    expect(await count(`variant=${PLATFORM.variant}`)).toBe(2);
    expect(await count(`variant=${PLATFORM.variant}&arch=aarch64`)).toBe(0);
    expect(await count('variant=metal')).toBe(0);
  });
});
