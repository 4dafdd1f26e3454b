import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openRepository } from '../../adapters/repository/repository.ts';
import { openState } from '../../adapters/state/open.ts';
import type { State } from '../../adapters/state/state.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { host } from '../adapters/state/samples.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Postgres } from '../support/postgres.ts';
import { checkInOf, NOW, reportOf, START } from './setup.ts';
import { give, poll, settled, threeFollowers, until } from './three-replicas.ts';

const KILLED = { signal: 'SIGKILL' };

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

describe('a leader killed while it judges failures', () => {
  const policy = `
[halt]
failed_percentage = 50
minimum = 2
[[waves]]
start_after = '1 second'
fleet_percentage = 100
`;

  it.each(['countsOf-before', 'enqueueVerb-before', 'enqueueVerb-after', 'put3-before'])(
    'at %s is followed by another that halts the rollout, once',
    async (point) => {
      await using fleet = await threeFollowers(postgres, point, { options: {} });
      const [second, third] = fleet.others;
      if (second === undefined || third === undefined) throw new Error('too few servers');
      const order = { ...START, policy, requestId: 'start-request' };
      const rolloutId = await give(second, '/api/v1/rollouts', order);
      for (const id of ['a', 'b']) {
        const reports = [reportOf({ rolloutId })];
        const body = { ...checkInOf({ id }), reports };
        expect((await third.post('/api/v1/check-in', body)).status).toBe(200);
      }
      expect(await fleet.leadAndDie()).toMatchObject(KILLED);
      for (const server of fleet.others) await until(async () => (await poll(server)) === 'halted');
      const { statuses, histories } = await settled(fleet.folder, fleet.state);
      expect(statuses).toEqual(['committed', 'committed']);
      expect(histories).toEqual([['start-request', `${rolloutId}-halt-1`]]);
    },
  );
});

describe('a leader killed while it signs anew', () => {
  it.each([
    { point: 'early1-before', days: 4 },
    { point: 'early1-after', days: 4 },
    { point: 'early1-after', days: 20 },
    { point: 'early2-after', days: 20 },
  ])('at $point after $days days is followed by another that does it once', async (killed) => {
    const now = new Date(NOW.getTime() + killed.days * 86_400_000);
    const env = { CLOCK_STARTS_AT: now.toISOString() };
    await using fleet = await threeFollowers(postgres, killed.point, { options: {}, env });
    await using storage = await openStorage('file:R', {
      ...{ access: 'read', cwd: fleet.folder.path, env: {} },
    });
    const load = () => openRepository({ storage, now: () => now }).load();
    const before = await load();
    expect(await fleet.leadAndDie()).toMatchObject(KILLED);
    const isValid = async () => new Date((await load()).timestamp.expires) > now;
    await until(async () => (await load()).timestamp.version > before.timestamp.version);
    expect(await isValid()).toBe(true);
    // Whoever leads now has looked.
    for (const server of fleet.others) {
      const told = await server.post('/api/v1/repository/refresh', {});
      expect(await told.json()).toMatchObject({ timestamp: before.timestamp.version + 1 });
    }
  });
});

describe('a leader killed while it forgets what is old', () => {
  const OLD = { seenAt: new Date('2039-06-01T00:00:00Z') };

  async function fill(state: State): Promise<void> {
    const ids = Array.from({ length: 700 }, (_, index) => `old-${index}`);
    await state.touchHosts(ids.map((id) => host(id, OLD)));
    await state.touchHosts([host('young', { seenAt: NOW })]);
  }

  it.each(['forgetHosts-before', 'forgetHosts-after', 'forgetReports-after'])(
    'at %s is followed by another that forgets the rest and nothing else',
    async (point) => {
      const options = { keepHosts: '30 days', keepReports: '30 days' };
      await using fleet = await threeFollowers(postgres, point, { options });
      await using state = await openState(fleet.state, { cwd: '/' });
      await fill(state);
      expect(await fleet.leadAndDie()).toMatchObject(KILLED);
      const { variant, arch } = host('young');
      const known = async () => {
        const hosts = await state.hostsOf({ variant, arch }, { after: null, limit: 1000 });
        return hosts.map(({ id }) => id);
      };
      await until(async () => (await known()).length === 1);
      expect(await known()).toEqual(['young']);
    },
  );
});
