import { expect } from '@jest/globals';
import { Client } from 'pg';
import { z } from 'zod';
import { openState } from '../../adapters/state/open.ts';
import { lockKey } from '../../adapters/state/postgres-driver.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import type { Postgres } from '../support/postgres.ts';
import { serverFolder, startServer } from './running-server.ts';
import type { RunningServer, ServerFolder } from './running-server.ts';
import { checkInOf, committedRollouts } from './setup.ts';

/** So that nothing but the notification explains what happens sooner. */
const LATE = { followInterval: '1 day' };

/** Where the repository is. */
export type Place = { readonly url: string; readonly env: Readonly<Record<string, string>> };
const FOLDER: Place = { url: 'file:R', env: {} };

/** Three servers on one repository and database. The first one leads, and dies at the point if it gets there. */
export async function threeReplicas(postgres: Postgres, point: string, place: Place = FOLDER) {
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

export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds()));
}

export async function roleOf(server: RunningServer): Promise<string> {
  const ready = z.object({ checks: z.object({ replicas: z.object({ detail: z.string() }) }) });
  const answer = await server.get('/readyz');
  return ready.parse(await answer.json()).checks.replicas.detail;
}

/** What a host of the fleet is told now. */
export async function poll(server: RunningServer): Promise<string> {
  const answer = await server.post('/api/v1/check-in', checkInOf({}));
  const decided = z.object({ decision: z.string(), reason: z.string().optional() });
  const { decision, reason } = decided.parse(await answer.json());
  return reason ?? decision;
}

export async function give(server: RunningServer, path: string, body: object): Promise<string> {
  const answer = await server.post(path, body);
  expect([200, 201]).toContain(answer.status);
  return z.object({ id: z.string() }).parse(await answer.json()).id;
}

/** What is in the repository and in the outbox after all, read by nobody of the three. */
export async function settled(
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

/**
 * Three servers of which none leads yet. As soon as it may the first one does, alone: it dies at the point, and only then do the
 * others go on and one of them takes over.
 */
export async function threeFollowers(
  postgres: Postgres,
  point: string,
  { options, env = {} }: { readonly options: object; readonly env?: Place['env'] },
) {
  await using resources = new AsyncDisposableStack();
  const folder = resources.use(await serverFolder());
  const state = await postgres.newDatabase();
  const leader = new Client({ connectionString: state });
  await leader.connect();
  resources.defer(() => leader.end());
  await leader.query(`select pg_advisory_lock(${lockKey('leader')})`);
  const all = { state, tokenFile: 'token', ...LATE, ...options };
  const servers: RunningServer[] = [];
  for (const at of [point, 'never', 'never']) {
    servers.push(resources.use(await startServer(folder, at, all, env)));
  }
  for (const server of servers) {
    await until(async () => (await roleOf(server)) === 'another server leads');
  }
  const [first, ...others] = servers;
  if (first === undefined) throw new Error('no server was started');
  const kept = resources.move();
  return {
    folder,
    state,
    others,
    /** Lets the first one lead; resolves when it is dead and another one leads. */
    leadAndDie: async () => {
      others.forEach((server) => server.freeze());
      await leader.query('select pg_advisory_unlock_all()');
      const ended = await first.exit;
      others.forEach((server) => server.goOn());
      await until(async () =>
        (await Promise.all(others.map(roleOf))).includes('this server leads'),
      );
      return ended;
    },
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  };
}
