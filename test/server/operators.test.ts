import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { rolloutListSchema } from '../../core/operator-api.ts';
import { rolloutViewSchema } from '../../core/rollout-view.ts';
import { HALF_AT_ONCE, NOW, PLATFORM, setup, START } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';
const REASON = { reason: 'a closer look' };

describe('the operators API', () => {
  it.each([
    { case: 'none', header: undefined },
    { case: 'an empty one', header: 'Bearer ' },
    { case: 'a wrong one', header: `Bearer ${'b'.repeat(43)}` },
    { case: 'a part of it', header: `Bearer ${'a'.repeat(42)}` },
    { case: 'another scheme', header: `Basic ${'a'.repeat(43)}` },
  ])('refuses every path without the token: $case', async ({ header }) => {
    await using server = await setup();
    const paths = [
      ['get', ROLLOUTS],
      ['post', ROLLOUTS],
      ['get', `${ROLLOUTS}/x`],
      ['post', `${ROLLOUTS}/x/pause`],
      ['post', `${ROLLOUTS}/x/roll-back`],
      ['post', '/api/v1/repository/refresh'],
      ['post', '/api/v1/repository/commit'],
      ['get', '/api/v1/hosts/x'],
      ['get', '/api/v1/audit'],
      ['get', '/api/v1/hosts/x/why'],
      ['get', '/api/v1/fleet'],
      ['put', '/api/v1/fleet'],
      ['get', '/api/v1/anything'],
    ] as const;
    for (const [method, path] of paths) {
      const call = server.agent[method](path);
      const answer = await (header === undefined ? call : call.set('authorization', header));
      expect([path, answer.status, answer.body.code]).toEqual([path, 401, 'request/unauthorized']);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    }
  });

  it('starts a rollout, and lists and shows it', async () => {
    await using server = await setup();
    const started = await server.post(ROLLOUTS, { ...START, policy: HALF_AT_ONCE });
    expect(started.status).toBe(201);
    const view = rolloutViewSchema.parse(started.body);
    expect(view).toMatchObject({ ...START, state: 'running', phase: 'scheduled' });
    expect(started.headers['location']).toBe(`${ROLLOUTS}/${view.id}`);
    const list = await server.get(ROLLOUTS);
    expect(rolloutListSchema.parse(list.body).rollouts).toEqual([view]);
    expect((await server.get(`${ROLLOUTS}/${view.id}`)).body).toEqual(view);
  });

  it('takes the verbs of a life: pause, resume, advance, withdraw, roll back', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, { ...START, policy: HALF_AT_ONCE });
    const change = async (verb: string, more: object = {}) => {
      const answer = await server.post(`${ROLLOUTS}/${body.id}/${verb}`, more);
      return [answer.status, answer.body.state ?? answer.body.code];
    };
    expect(await change('pause', REASON)).toEqual([200, 'paused']);
    expect((await server.checkIn()).body.reason).toBe('paused');
    expect(await change('resume')).toEqual([200, 'running']);
    expect(await change('advance')).toEqual([200, 'running']);
    expect((await server.checkIn({ seed: 0 })).body.reason).toBe('not-yet');
    expect(await change('advance')).toEqual([200, 'running']);
    expect((await server.checkIn({ seed: 0 })).body.decision).toBe('update');
    expect(await change('withdraw', REASON)).toEqual([200, 'withdrawn']);
    expect((await server.checkIn({ seed: 0 })).body.reason).toBe('up-to-date');
    expect(await change('roll-back', { ...REASON, to: '1.0.0' })).toEqual([200, 'rolled-back']);
    expect((await server.checkIn({ seed: 0, version: '1.1.0' })).body).toMatchObject({
      decision: 'update',
      direction: 'rollback',
      release: { version: '1.0.0' },
    });
    const { body: last } = await server.get(`${ROLLOUTS}/${body.id}`);
    expect(last.history.map(({ verb }: { verb: string }) => verb)).toEqual([
      ...['start', 'pause', 'resume', 'advance', 'advance', 'withdraw', 'roll-back'],
    ]);
  });

  it.each([
    {
      case: 'a pause without a reason',
      verb: 'pause',
      body: {},
      expected: [400, 'rollout/reason'],
    },
    { case: 'a resume of what runs', verb: 'resume', body: {}, expected: [409, 'rollout/illegal'] },
    {
      case: 'a way back that the release does not permit',
      verb: 'roll-back',
      body: { ...REASON, to: '1.1.0' },
      expected: [409, 'rollout/not-permitted'],
    },
    {
      case: 'a way back to what is not published',
      verb: 'roll-back',
      body: { ...REASON, to: '0.9.0' },
      expected: [404, 'release/not-published'],
    },
    {
      case: 'a way back to nothing',
      verb: 'roll-back',
      body: REASON,
      expected: [400, 'request/invalid'],
    },
    {
      case: 'a request id that is too short',
      verb: 'pause',
      body: { ...REASON, requestId: '1' },
      expected: [400, 'request/invalid'],
    },
  ])('refuses $case, and nothing is changed', async ({ verb, body, expected }) => {
    await using server = await setup();
    const { body: before } = await server.post(ROLLOUTS, START);
    const answer = await server.post(`${ROLLOUTS}/${before.id}/${verb}`, body);
    expect([answer.status, answer.body.code]).toEqual(expected);
    expect((await server.get(`${ROLLOUTS}/${before.id}`)).body).toEqual(before);
    expect(await server.state.pendingVerbs()).toHaveLength(1);
  });

  it('names the legal verbs when it refuses one', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    const answer = await server.post(`${ROLLOUTS}/${body.id}/resume`);
    expect(answer.body.detail).toMatch(/pause.*withdraw.*roll-back/);
  });

  it.each([
    {
      case: 'a version that is not published',
      body: { ...START, version: '9.0.0' },
      expected: [404, 'release/not-published'],
    },
    {
      case: 'a policy with a wave of 120 %',
      body: { ...START, policy: HALF_AT_ONCE.replace('100', '120') },
      expected: [400, 'wave/percentage'],
    },
    {
      case: 'a policy that is no TOML',
      body: { ...START, policy: '[[waves' },
      expected: [400, 'wave/format'],
    },
    {
      case: 'a start at no time',
      body: { ...START, startAt: 'tomorrow' },
      expected: [400, 'request/invalid'],
    },
    { case: 'an unknown key', body: { ...START, force: true }, expected: [400, 'request/invalid'] },
    {
      case: 'a policy of a megabyte',
      body: { ...START, policy: '#'.repeat(1024 * 1024) },
      expected: [413, 'request/too-large'],
    },
  ])('refuses to start with $case', async ({ body, expected }) => {
    await using server = await setup();
    const answer = await server.post(ROLLOUTS, body);
    expect([answer.status, answer.body.code]).toEqual(expected);
    expect(await server.state.pendingVerbs()).toEqual([]);
  });

  it('refuses a second rollout of one release', async () => {
    await using server = await setup();
    await server.post(ROLLOUTS, START);
    const answer = await server.post(ROLLOUTS, START);
    expect([answer.status, answer.body.code]).toEqual([409, 'rollout/exists']);
  });

  it('lets only one of many operators start at the same time', async () => {
    await using server = await setup();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => server.post(ROLLOUTS, START)),
    );
    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
    expect(statuses).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
    expect(await server.state.pendingVerbs()).toHaveLength(1);
  });

  it.each([
    ['get', `${ROLLOUTS}/nobody`],
    ['post', `${ROLLOUTS}/nobody/pause`],
    ['post', `${ROLLOUTS}/nobody/roll-back`],
    ['get', '/api/v1/hosts/nobody'],
    ['get', '/api/v1/anything'],
    ['get', '/'],
    ['post', `${ROLLOUTS}/nobody/explode`],
  ] as const)('answers 404 to %s %s', async (method, path) => {
    await using server = await setup();
    const answer = await server[method](
      path,
      path.endsWith('roll-back') ? { ...REASON, to: '1.0.0' } : REASON,
    );
    expect(answer.status).toBe(404);
    expect(answer.body.code).toMatch(/not-there$/);
  });

  it.each([
    ['put', ROLLOUTS, 'GET, POST'],
    ['post', `${ROLLOUTS}/x`, 'GET'],
    ['get', `${ROLLOUTS}/x/pause`, 'POST'],
    ['get', `${ROLLOUTS}/x/roll-back`, 'POST'],
    ['get', '/api/v1/repository/refresh', 'POST'],
    ['get', '/api/v1/repository/commit', 'POST'],
    ['delete', '/api/v1/hosts/x', 'GET'],
    ['post', '/healthz', 'GET'],
    ['post', '/readyz', 'GET'],
    ['post', '/metrics', 'GET'],
  ] as const)('answers 405 to %s %s', async (method, path, allow) => {
    await using server = await setup();
    const answer = await server.agent[method](path).set(
      'authorization',
      `Bearer ${'a'.repeat(43)}`,
    );
    expect([answer.status, answer.body.code]).toEqual([405, 'request/method']);
    expect(answer.headers['allow']).toBe(allow);
  });

  it('answers a path that cannot be decoded with a problem', async () => {
    await using server = await setup();
    const answer = await server.get(`${ROLLOUTS}/%E0%A4%A`);
    expect([answer.status, answer.body.code]).toEqual([400, 'request/invalid']);
  });
});

describe('a request id', () => {
  it('carries a request out once, however often it is sent', async () => {
    await using server = await setup();
    const request = { ...START, policy: HALF_AT_ONCE, requestId: randomUUID() };
    const first = await server.post(ROLLOUTS, request);
    server.clock.now = new Date(NOW.getTime() + 5000);
    const second = await server.post(ROLLOUTS, request);
    expect([second.status, second.body.id]).toEqual([201, first.body.id]);
    await server.context.commitPending();
    expect((await server.post(ROLLOUTS, request)).body.id).toBe(first.body.id);
    const pause = { requestId: randomUUID(), ...REASON };
    for (let sent = 0; sent < 3; sent += 1) {
      const answer = await server.post(`${ROLLOUTS}/${first.body.id}/pause`, pause);
      expect([answer.status, answer.body.state]).toEqual([200, 'paused']);
    }
    expect((await server.get(ROLLOUTS)).body.rollouts).toHaveLength(1);
    expect(first.body.history).toHaveLength(1);
    expect((await server.get(`${ROLLOUTS}/${first.body.id}`)).body.history).toHaveLength(2);
  });

  it.each([
    { case: 'another version', change: { version: '1.0.0' } },
    { case: 'another policy', change: { policy: HALF_AT_ONCE } },
    { case: 'another start', change: { startAt: '2040-01-02T00:00:00Z' } },
    { case: 'another reason', change: { reason: 'because' } },
  ])('is refused for $case', async ({ change }) => {
    await using server = await setup();
    const request = { ...START, requestId: randomUUID() };
    await server.post(ROLLOUTS, request);
    const answer = await server.post(ROLLOUTS, { ...request, ...change });
    expect([answer.status, answer.body.code]).toEqual([409, 'request/conflict']);
  });

  it('is known from the manifest even if the database was lost', async () => {
    await using server = await setup();
    const request = { ...START, requestId: randomUUID() };
    const { body } = await server.post(ROLLOUTS, request);
    await server.context.commitPending();
    await using other = await setup({ storage: server.storage });
    expect((await other.post(ROLLOUTS, request)).body.id).toBe(body.id);
    const misused = await other.post(`${ROLLOUTS}/${body.id}/pause`, {
      ...REASON,
      requestId: request.requestId,
    });
    expect([misused.status, misused.body.code]).toEqual([409, 'request/conflict']);
  });
});

describe('GET /api/v1/hosts/:id', () => {
  it('tells what is known of a host and what it would be told now', async () => {
    await using server = await setup();
    const { body: rollout } = await server.post(ROLLOUTS, { ...START, policy: HALF_AT_ONCE });
    await server.checkIn({ seed: 2000, group: 'test', labels: { zone: 'a' } });
    const { body } = await server.get('/api/v1/hosts/host-1');
    expect(body).toEqual({
      host: {
        id: 'host-1',
        ...PLATFORM,
        version: '1.0.0',
        seed: 2000,
        group: 'test',
        labels: { zone: 'a' },
        state: 'idle',
        firstSeen: '2040-01-01T00:00:00.500Z',
        lastSeen: '2040-01-01T00:00:00.500Z',
      },
      decision: {
        decision: 'stay',
        reason: 'not-yet',
        rolloutId: rollout.id,
        eligibleAt: '2040-01-02T00:00:00.500Z',
      },
    });
  });
});
