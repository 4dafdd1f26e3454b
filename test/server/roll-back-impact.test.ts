import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { wayBackImpactSchema } from '../../core/way-back-impact.ts';
import { makeWorkplace } from '../support/cli.ts';
import { NOW, PLATFORM, setup, START, TOKEN } from './setup.ts';

const DAY_MS = 86_400_000;
const RULES = {
  groups: [
    {
      name: 'careful',
      rollback: 'waits',
      windows: [{ days: ['sat'], from: '22:00', to: '23:00', time_zone: 'UTC' }],
    },
  ],
  excludes: { 'h-0': 'new disk', 'h-1': 'new disk' },
  pins: { 'h-2': '1.1.0' },
};
/** A tenth of the seeds go back at once, and later another four tenths; the others never. */
const HALF_BACK = `
[[waves]]
start_after = '0 seconds'
fleet_percentage = 10
[[waves]]
start_after = '1 day'
fleet_percentage = 50
`;

/** Twenty hosts run 1.1.0, h-0 to h-19, of which h-10 to h-14 are careful; two run 1.0.0. */
async function updatedFleet() {
  const server = await setup();
  const { body: rollout } = await server.post('/api/v1/rollouts', START);
  await server.state.touchHosts(
    Array.from({ length: 22 }, (_, index) => ({
      ...{ ...PLATFORM, id: `h-${index}`, labels: {}, state: 'idle', seed: index * 100 },
      version: index < 20 ? '1.1.0' : '1.0.0',
      group: index >= 10 && index < 15 ? 'careful' : null,
      seenAt: new Date(NOW.getTime() - (index >= 18 ? DAY_MS : 1000)),
    })),
  );
  const rules = (value: object) =>
    server.agent
      .put('/api/v1/fleet')
      .set('authorization', `Bearer ${TOKEN}`)
      .send({ requestId: randomUUID(), rules: value });
  const path = `/api/v1/rollouts/${rollout.id}/roll-back/impact`;
  const ask = (body: object = {}) =>
    server.agent
      .post(path)
      .set('authorization', `Bearer ${TOKEN}`)
      .send({ to: '1.0.0', ...body });
  const impact = async (body: object = {}) =>
    wayBackImpactSchema.parse((await ask(body).expect(200)).body);
  return { ...server, rolloutId: String(rollout.id), rules, ask, impact };
}

describe('POST /api/v1/rollouts/{id}/roll-back/impact', () => {
  it('counts who runs the release, and does nothing', async () => {
    await using server = await updatedFleet();
    const { rolloutId } = server;
    expect(await server.impact()).toEqual({
      ...{ rolloutId, version: '1.1.0', to: '1.0.0', hosts: 20, atOnce: 20, later: 0, forward: 0 },
      ...{ cannot: [], unheard: 2, underWay: 0 },
    });
    const { body } = await server.get(`/api/v1/rollouts/${rolloutId}`);
    expect([body.state, body.history.length]).toEqual(['running', 1]);
    expect((await server.state.recentVerbs(10)).length).toBe(1);
  });

  it('says who cannot go back, and why, by the rules of the fleet', async () => {
    await using server = await updatedFleet();
    await server.rules(RULES).expect(200);
    expect(await server.impact()).toMatchObject({
      ...{ hosts: 20, atOnce: 12, later: 5 },
      cannot: [
        { reason: 'excluded', hosts: 2 },
        { reason: 'locked', hosts: 1 },
      ],
    });
    await server.rules({ dead_ends: [{ versions: '1.0.0', reason: 'no boot' }] }).expect(200);
    expect(await server.impact()).toMatchObject({
      ...{ hosts: 20, atOnce: 0, later: 0, cannot: [{ reason: 'dead-end', hosts: 20 }] },
    });
  });

  it('counts the waves of the way back: now, later, never', async () => {
    await using server = await updatedFleet();
    // Seeds are 0, 100, 200 …: of 2048 a tenth are 204, a half 1024. The second wave begins in a day.
    const { atOnce, later, cannot } = await server.impact({ policy: HALF_BACK });
    expect(atOnce + later).toBe(11);
    expect(cannot).toEqual([{ reason: 'not-yet', hosts: 9 }]);
  });

  it('tells of hosts that are on their way to the release', async () => {
    await using server = await updatedFleet();
    await server.checkIn({ id: 'late', version: '1.0.0' });
    expect(await server.impact()).toMatchObject({ hosts: 20, underWay: 1 });
  });

  it.each([
    {
      case: 'a version that the signed document does not name',
      body: { to: '1.1.0' },
      status: 409,
    },
    { case: 'a version that is not published', body: { to: '7.0.0' }, status: 404 },
    { case: 'a policy that waits for outcomes', body: { policy: '[halt]' }, status: 400 },
    { case: 'what the verb does not know', body: { force: true }, status: 400 },
  ])('refuses $case as the verb would', async ({ body, status }) => {
    await using server = await updatedFleet();
    expect((await server.ask(body)).status).toBe(status);
  });
});

describe('tidegate rollout rollback', () => {
  async function operator() {
    const resources = new AsyncDisposableStack();
    const server = resources.use(await updatedFleet());
    const workplace = resources.use(await makeWorkplace());
    Object.assign(workplace.env, { TIDEGATE_SERVER: server.url, TIDEGATE_TOKEN: TOKEN });
    const rollback = (...more: readonly string[]) =>
      workplace.run(
        ...['rollout', 'rollback', server.rolloutId, '--to', '1.0.0', '--reason', 'drill'],
        ...more,
      );
    return { server, workplace, rollback, [Symbol.asyncDispose]: () => resources.disposeAsync() };
  }

  it('says before it asks how many hosts cannot go back, and why', async () => {
    await using place = await operator();
    await place.server.rules(RULES).expect(200);
    place.workplace.confirm = async () => false;
    const { code, stdout, stderr } = await place.rollback();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.split('\n').slice(0, 5)).toEqual([
      'aws-k8s-1.32 x86_64 1.1.0: 20 hosts run it; to 1.0.0 go 12 at their next poll and 5 later',
      '  3 cannot go back:',
      '    2 are excluded by the rules of the fleet',
      '    1 are pinned to another version',
      '  2 were not heard of for a day: they learn of it when they poll',
    ]);
  });

  it('is done once, though it is sent again with the same id', async () => {
    await using place = await operator();
    const once = await place.rollback('--yes', '--request-id', 'drill-0001');
    const again = await place.rollback('--yes', '--request-id', 'drill-0001');
    expect([once.code, again.code]).toEqual([0, 0]);
    expect(again.stdout).toBe(once.stdout);
  });

  it('asks nobody about a way back that is not permitted', async () => {
    await using place = await operator();
    place.workplace.confirm = () => Promise.reject(new Error('it asked'));
    const { code, stderr } = await place.rollback('--to', '1.1.0');
    expect([code, stderr]).toEqual([1, expect.stringContaining('signed document names 1.0.0')]);
  });
});
