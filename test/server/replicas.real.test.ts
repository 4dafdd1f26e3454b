import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openStorage } from '../../adapters/storage/open.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Postgres } from '../support/postgres.ts';
import { startVersitygw } from '../support/versitygw.ts';
import type { Versitygw } from '../support/versitygw.ts';
import { publishedRepository, START } from './setup.ts';
import type { Place } from './three-replicas.ts';
import { give, poll, roleOf, settled, threeReplicas, until } from './three-replicas.ts';

const ROLLOUTS = '/api/v1/rollouts';

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

async function publishedBucket(gateway: Versitygw): Promise<Place> {
  const { env } = gateway;
  const url = gateway.storageUrl('replicas');
  await using storage = await openStorage(url, { access: 'write', cwd: '/', env });
  await publishedRepository(storage);
  return { url, env };
}

describe('three servers on one database', () => {
  it('obey a pause at once, whoever of them took it', async () => {
    await using fleet = await threeReplicas(postgres, 'never');
    const [first, second, third] = fleet.servers;
    const id = await give(third, ROLLOUTS, { ...START, requestId: 'start-request' });
    for (const server of fleet.servers) await until(async () => (await poll(server)) === 'update');
    const pause = { reason: 'smoke', requestId: 'pause-request' };
    await give(second, `${ROLLOUTS}/${id}/pause`, pause);
    const pausedAt = performance.now();
    await until(async () => (await poll(first)) === 'paused');
    await until(async () => (await poll(third)) === 'paused');
    const tookMs = performance.now() - pausedAt;
    expect(await poll(second)).toBe('paused');
    expect(tookMs).toBeLessThan(2000);
    const { statuses, histories } = await settled(fleet.folder, fleet.state);
    expect(statuses).toEqual(['committed', 'committed']);
    expect(histories).toEqual([['start-request', 'pause-request']]);
  });

  it('leave what one committed in force on the others, which then wait for nothing', async () => {
    await using fleet = await threeReplicas(postgres, 'never');
    const id = await give(fleet.servers[1], ROLLOUTS, { ...START, requestId: 'start-request' });
    await settled(fleet.folder, fleet.state);
    for (const server of fleet.servers) {
      await until(async () => {
        const ready = await (await server.get('/readyz')).text();
        return ready.includes('0 verbs wait');
      });
      expect(await poll(server)).toBe('update');
    }
    await give(fleet.servers[2], `${ROLLOUTS}/${id}/withdraw`, {
      reason: 'x',
      requestId: 'withdraw-request',
    });
    await until(async () => (await poll(fleet.servers[1])) === 'up-to-date');
  });
});

describe('three servers on one bucket', () => {
  it('obey each other at once while it takes requests and answers none', async () => {
    await using gateway = await startVersitygw();
    const place = await publishedBucket(gateway);
    await using fleet = await threeReplicas(postgres, 'never', place);
    const [first, second, third] = fleet.servers;
    const id = await give(second, ROLLOUTS, { ...START, requestId: 'start-request' });
    for (const server of fleet.servers) await until(async () => (await poll(server)) === 'update');
    await settled(fleet.folder, fleet.state, place);
    gateway.freeze();
    // The look at the storage that the first of them brings about does not end.
    for (const [server, verb, told] of [
      [second, 'pause', 'paused'],
      [third, 'resume', 'update'],
      [first, 'pause', 'paused'],
    ] as const) {
      const requestId = `${verb}-by-${fleet.servers.indexOf(server)}`;
      const begunAt = performance.now();
      await give(server, `${ROLLOUTS}/${id}/${verb}`, { reason: 'smoke', requestId });
      for (const one of fleet.servers) await until(async () => (await poll(one)) === told);
      expect(performance.now() - begunAt).toBeLessThan(5000);
    }
    gateway.goOn();
    const { histories } = await settled(fleet.folder, fleet.state, place);
    expect(histories).toEqual([['start-request', 'pause-by-1', 'resume-by-2', 'pause-by-0']]);
  });

  it('obey each other, and one of them finishes what the leader began before it was killed', async () => {
    await using gateway = await startVersitygw();
    const place = await publishedBucket(gateway);
    await using fleet = await threeReplicas(postgres, 'put3-before', place);
    const [first, second, third] = fleet.servers;
    const id = await give(second, ROLLOUTS, { ...START, requestId: 'start-request' });
    await give(third, `${ROLLOUTS}/${id}/pause`, { reason: 'smoke', requestId: 'pause-request' });
    expect(await first.exit).toMatchObject({ signal: 'SIGKILL' });
    for (const server of [second, third])
      await until(async () => (await poll(server)) === 'paused');
    const { statuses, histories } = await settled(fleet.folder, fleet.state, place);
    expect(statuses).toEqual(['committed', 'committed']);
    expect(histories).toEqual([['start-request', 'pause-request']]);
  });
});

describe('a leader killed while verbs are under way', () => {
  it.each(['put1-before', 'put3-before', 'put4-after', 'finishVerb-before'])(
    'at %s is followed by another that finishes each of them once',
    async (point) => {
      await using fleet = await threeReplicas(postgres, point);
      const [first, second, third] = fleet.servers;
      const id = await give(second, ROLLOUTS, { ...START, requestId: 'start-request' });
      await give(third, `${ROLLOUTS}/${id}/pause`, { reason: 'smoke', requestId: 'pause-request' });
      await give(second, `${ROLLOUTS}/${id}/resume`, {
        reason: 'no fire',
        requestId: 'resume-request',
      });
      expect(await first.exit).toMatchObject({ signal: 'SIGKILL' });
      const { statuses, histories } = await settled(fleet.folder, fleet.state);
      expect(statuses).toEqual(['committed', 'committed', 'committed']);
      expect(histories).toEqual([['start-request', 'pause-request', 'resume-request']]);
      const roles = async () => Promise.all([second, third].map(roleOf));
      expect((await roles()).toSorted()).toEqual(['another server leads', 'this server leads']);
    },
  );
});
