import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { openState } from '../../adapters/state/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Postgres } from '../support/postgres.ts';
import { startVersitygw } from '../support/versitygw.ts';
import { serverFolder, startServer } from './running-server.ts';
import type { RunningServer, ServerFolder } from './running-server.ts';
import { checkInOf, committedRollouts, publishedRepository, START } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';
/** So that nothing but the notification explains what happens sooner. */
const LATE = { followInterval: '1 day' };

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

/** Where the repository is. */
type Place = { readonly url: string; readonly env: Readonly<Record<string, string>> };
const FOLDER: Place = { url: 'file:R', env: {} };

/** Three servers on one repository and database. The first one leads, and dies at the point if it gets there. */
async function threeReplicas(point: string, place: Place = FOLDER) {
  const resources = new AsyncDisposableStack();
  const folder = resources.use(await serverFolder());
  const state = await postgres.newDatabase();
  const options = { state, tokenFile: 'token', storage: place.url, ...LATE };
  const first = resources.use(await startServer(folder, point, options, place.env));
  await until(async () => (await roleOf(first)) === 'this server leads');
  const second = resources.use(await startServer(folder, 'never', options, place.env));
  const third = resources.use(await startServer(folder, 'never', options, place.env));
  for (const server of [second, third]) {
    await until(async () => (await roleOf(server)) === 'another server leads');
  }
  return {
    folder,
    state,
    servers: [first, second, third] as const,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds()));
}

async function roleOf(server: RunningServer): Promise<string> {
  const ready = z.object({ checks: z.object({ replicas: z.object({ detail: z.string() }) }) });
  const answer = await server.get('/readyz');
  return ready.parse(await answer.json()).checks.replicas.detail;
}

/** What a host of the fleet is told now. */
async function poll(server: RunningServer): Promise<string> {
  const answer = await server.post('/api/v1/check-in', checkInOf({}));
  const decided = z.object({ decision: z.string(), reason: z.string().optional() });
  const { decision, reason } = decided.parse(await answer.json());
  return reason ?? decision;
}

async function give(server: RunningServer, path: string, body: object): Promise<string> {
  const answer = await server.post(path, body);
  expect([200, 201]).toContain(answer.status);
  return z.object({ id: z.string() }).parse(await answer.json()).id;
}

/** What is in the repository and in the outbox after all, read by nobody of the three. */
async function settled(
  { path }: ServerFolder,
  url: string,
  { url: repository, env }: Place = FOLDER,
) {
  await using storage = await openStorage(repository, { access: 'write', cwd: path, env });
  await using state = await openState(url, { cwd: path });
  await until(async () => (await state.pendingVerbs()).length === 0);
  const verbs = await state.recentVerbs(100);
  return {
    statuses: verbs.map(({ status }) => status.kind),
    histories: (await committedRollouts(storage)).map(({ history }) => history.map(({ id }) => id)),
  };
}

describe('three servers on one database', () => {
  it('obey a pause at once, whoever of them took it', async () => {
    await using fleet = await threeReplicas('never');
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
    await using fleet = await threeReplicas('never');
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
  it('obey each other, and one of them finishes what the leader began before it was killed', async () => {
    await using gateway = await startVersitygw();
    const place = { url: gateway.storageUrl('replicas'), env: gateway.env };
    {
      const access = { access: 'write', cwd: '/', env: gateway.env } as const;
      await using storage = await openStorage(place.url, access);
      await publishedRepository(storage);
    }
    await using fleet = await threeReplicas('put3-before', place);
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
      await using fleet = await threeReplicas(point);
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
