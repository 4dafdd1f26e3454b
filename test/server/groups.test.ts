import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { groupListSchema } from '../../core/group-view.ts';
import { NOW, PLATFORM, reportOf, setup, START, TOKEN } from './setup.ts';

const GROUPS = '/api/v1/groups';
const RULES = {
  groups: [
    { name: 'canary', match: { labels: 'role=canary' }, first: true },
    { name: 'listed', match: { hosts: ['p-1', 'gone'] } },
    { name: 'prod', delay: '1 day', concurrency: [{ limit: '10 %', per: 'zone' }] },
  ],
  freezes: [
    { from: '2040-02-01T00:00:00Z', to: '2040-02-02T00:00:00Z', reason: 'sales', groups: ['prod'] },
    { from: '2041-02-01T00:00:00Z', to: '2041-02-02T00:00:00Z', reason: 'all' },
  ],
};

async function withGroups() {
  const server = await setup();
  const put = await server.agent
    .put('/api/v1/fleet')
    .set('authorization', `Bearer ${TOKEN}`)
    .send({ requestId: randomUUID(), rules: RULES });
  expect(put.status).toBe(200);
  const groups = async () => groupListSchema.parse((await server.get(GROUPS)).body).groups;
  return { ...server, groups };
}

describe('GET /api/v1/groups', () => {
  it('tells the rules of each group as the file spells them, and the freezes that concern it', async () => {
    await using server = await withGroups();
    expect(await server.groups()).toMatchObject([
      { name: 'canary', rules: { match: { labels: 'role=canary' }, first: true }, hosts: 0 },
      { name: 'listed', rules: { match: { hosts: ['p-1', 'gone'] } }, versions: [] },
      {
        name: 'prod',
        rules: { delay: '1 day', concurrency: [{ limit: '10 %', per: 'zone' }] },
        freezes: [{ reason: 'sales' }, { reason: 'all' }],
      },
    ]);
    expect((await server.groups())[0]?.freezes).toMatchObject([{ reason: 'all' }]);
  });

  it('counts each host in the first group that matches it, by what it runs', async () => {
    await using server = await withGroups();
    await server.checkIn({ id: 'p-0', group: 'prod', labels: { role: 'canary' } });
    await server.checkIn({ id: 'p-1', group: 'prod' });
    await server.checkIn({ id: 'p-2', group: 'prod' });
    await server.checkIn({ id: 'p-3', group: 'prod' });
    await server.checkIn({ id: 'p-4', group: 'prod', version: '1.1.0' });
    await server.checkIn({ id: 'x' });
    const counted = (await server.groups()).map(({ name, hosts, versions }) => ({
      ...{ name, hosts },
      versions: versions.map(({ version, hosts: count }) => [version, count]),
    }));
    expect(counted).toEqual([
      { name: 'canary', hosts: 1, versions: [['1.0.0', 1]] },
      { name: 'listed', hosts: 1, versions: [['1.0.0', 1]] },
      {
        name: 'prod',
        hosts: 3,
        versions: [
          ['1.0.0', 2],
          ['1.1.0', 1],
        ],
      },
      { name: null, hosts: 1, versions: [['1.0.0', 1]] },
    ]);
  });

  it('tells what is under way: who was offered a release and has not said how it went', async () => {
    await using server = await withGroups();
    const { body: rollout } = await server.post('/api/v1/rollouts', START);
    for (const id of ['c-0', 'c-1', 'c-2']) {
      await server.checkIn({ id, labels: { role: 'canary' } });
    }
    await server.checkIn(
      { id: 'c-2', labels: { role: 'canary' } },
      { reports: [reportOf({ rolloutId: rollout.id })] },
    );
    await server.checkIn({ id: 'x' });
    expect((await server.groups()).map(({ name, underWay }) => [name, underWay])).toEqual([
      ['canary', [{ rolloutId: rollout.id, version: '1.1.0', hosts: 2 }]],
      ['listed', []],
      ['prod', []],
      [null, [{ rolloutId: rollout.id, version: '1.1.0', hosts: 1 }]],
    ]);
  });

  it('lists the versions that most hosts run, and counts those that hosts make up', async () => {
    await using server = await withGroups();
    await server.state.touchHosts(
      Array.from({ length: 600 }, (_, index) => ({
        ...{ ...PLATFORM, id: `h-${index}`, seed: 0, group: 'prod', labels: {}, state: 'idle' },
        ...{ version: index < 500 ? '1.0.0' : `9.0.${index}`, seenAt: NOW },
      })),
    );
    const prod = (await server.groups()).find(({ name }) => name === 'prod');
    expect(prod).toMatchObject({ hosts: 600, otherVersions: 51 });
    expect(prod?.versions).toHaveLength(50);
    expect(prod?.versions[0]).toEqual({ ...PLATFORM, version: '1.0.0', hosts: 500 });
  });

  it('answers polls while it counts a large fleet', async () => {
    await using server = await withGroups();
    await server.state.touchHosts(
      Array.from({ length: 20_000 }, (_, index) => ({
        ...{ ...PLATFORM, id: `h-${index}`, seed: 0, group: 'prod', labels: {}, state: 'idle' },
        ...{ version: '1.0.0', seenAt: NOW },
      })),
    );
    const order: string[] = [];
    const counting = server.groups().then(() => order.push('groups'));
    await server.checkIn({ id: 'h-1' });
    order.push('poll');
    await server.checkIn({ id: 'h-2' });
    order.push('poll');
    await counting;
    expect(order).toEqual(['poll', 'poll', 'groups']);
  });

  it('wants the token, and says when the database is away', async () => {
    await using server = await withGroups();
    expect((await server.agent.get(GROUPS)).status).toBe(401);
    server.outages.state.isAway = true;
    expect((await server.get(GROUPS)).status).toBe(503);
  });
});
