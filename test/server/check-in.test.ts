import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { problemSchema } from '../../core/operator-api.ts';
import { checkInOf, HALF_AT_ONCE, NOW, reportOf, setup, START } from './setup.ts';

const PATH = '/api/v1/check-in';

describe('POST /api/v1/check-in', () => {
  it('tells a host that runs the newest release to stay', async () => {
    await using server = await setup();
    const { status, body } = await server.checkIn();
    expect([status, body]).toEqual([
      200,
      { decision: 'stay', reason: 'up-to-date', nextCheckInSeconds: 701 },
    ]);
  });

  it('offers a release to seeds below the tide, and tells others when they may come', async () => {
    await using server = await setup();
    const started = await server.post('/api/v1/rollouts', { ...START, policy: HALF_AT_ONCE });
    server.clock.now = new Date(NOW.getTime() + 3_600_000);
    const below = await server.checkIn({ seed: 10 });
    expect(below.body).toEqual({
      decision: 'update',
      release: {
        version: '1.1.0',
        document: 'aws-k8s-1.32-x86_64-1.1.0-release.json',
      },
      rolloutId: started.body.id,
      direction: 'forward',
      nextCheckInSeconds: 53,
    });
    const above = await server.checkIn({ id: 'host-2', seed: 1000 });
    expect(above.body).toMatchObject({ decision: 'stay', reason: 'not-yet' });
    expect(above.body.eligibleAt).toMatch(/^2040-01-01T23:2\d/);
  });

  it('gives a host without a seed the same place every time', async () => {
    await using server = await setup();
    await server.checkIn({ seed: undefined });
    const { body } = await server.get('/api/v1/hosts/host-1');
    await server.checkIn({ seed: undefined });
    expect((await server.get('/api/v1/hosts/host-1')).body.host.seed).toBe(body.host.seed);
    expect(body.host.seed).toBeGreaterThanOrEqual(0);
  });

  it.each([
    { case: 'text that is not JSON', body: '{"host":', code: 'json/syntax' },
    { case: 'nothing', body: '', code: 'json/syntax' },
    {
      case: 'a key that stands twice',
      body: '{"state":"idle","state":"staged"}',
      code: 'json/duplicate-key',
    },
    { case: 'nesting without end', body: '['.repeat(30_000), code: 'json/too-deep' },
    { case: 'an unknown key', body: { ...checkInOf({}), extra: 1 }, code: 'request/invalid' },
    { case: 'a bad version', body: checkInOf({ version: 'v1' }), code: 'request/invalid' },
    { case: 'a seed beyond the queue', body: checkInOf({ seed: 4096 }), code: 'request/invalid' },
    { case: 'a seed below it', body: checkInOf({ seed: -1 }), code: 'request/invalid' },
    { case: 'a host without an id', body: checkInOf({ id: '' }), code: 'request/invalid' },
    {
      case: 'a report of an unknown outcome',
      body: { ...checkInOf({}), reports: [reportOf({ outcome: 'perhaps' })] },
      code: 'request/invalid',
    },
    {
      case: 'a report of a day that does not exist',
      body: { ...checkInOf({}), reports: [reportOf({ at: '2040-02-30T00:00:00Z' })] },
      code: 'request/invalid',
    },
  ])('refuses $case', async ({ body, code }) => {
    await using server = await setup();
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await server.agent.post(PATH).set('content-type', 'application/json').send(text);
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toMatch('application/problem+json');
    expect(problemSchema.parse(answer.body)).toMatchObject({ code, status: 400 });
    expect(answer.text).not.toMatch(/\.ts:|node_modules|at \w+ \(/);
  });

  it('refuses bytes that are not UTF-8', async () => {
    await using server = await setup();
    const answer = await fetch(`${server.url}${PATH}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect([answer.status, problemSchema.parse(await answer.json()).code]).toEqual([
      400,
      'request/encoding',
    ]);
  });

  it.each([64 * 1024 + 1, 1024 * 1024])('refuses a body of %i bytes', async (length) => {
    await using server = await setup();
    const text = JSON.stringify(checkInOf({ labels: { a: 'x'.repeat(length) } }));
    const answer = await server.agent.post(PATH).set('content-type', 'application/json').send(text);
    expect([answer.status, answer.body.code]).toEqual([413, 'request/too-large']);
    expect((await server.checkIn()).status).toBe(200);
  });

  it.each([
    { type: 'text/plain' },
    { type: 'application/x-www-form-urlencoded' },
    { type: 'application/json-patch+json' },
  ])('refuses $type', async ({ type }) => {
    await using server = await setup();
    const answer = await server.agent.post(PATH).set('content-type', type).send('{}');
    expect([answer.status, answer.body.code]).toEqual([415, 'request/media-type']);
  });

  it('refuses a compressed body, which could unfold to anything', async () => {
    await using server = await setup();
    const answer = await server.agent
      .post(PATH)
      .set('content-type', 'application/json')
      .set('content-encoding', 'gzip')
      .send('{}');
    expect([answer.status, answer.body.code]).toEqual([415, 'request/media-type']);
  });

  it('refuses a body of unknown length that does not end, and answers on', async () => {
    await using server = await setup();
    const answer = await fetch(`${server.url}${PATH}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(16_384).fill(0x20)),
      }),
      duplex: 'half',
    });
    expect([answer.status, problemSchema.parse(await answer.json()).code]).toEqual([
      413,
      'request/too-large',
    ]);
    expect((await server.checkIn()).status).toBe(200);
  });

  it('takes a body that comes in pieces', async () => {
    await using server = await setup();
    const bytes = Buffer.from(JSON.stringify(checkInOf({ labels: { place: 'München' } })));
    const answer = await fetch(`${server.url}${PATH}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: ReadableStream.from([...bytes].map((byte) => Uint8Array.of(byte))),
      duplex: 'half',
    });
    expect(answer.status).toBe(200);
  });

  it('counts a client that goes away in the middle of its body, and answers on', async () => {
    await using server = await setup();
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    const head = `POST ${PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`;
    socket.end(`${head}Content-Length: 100\r\n\r\n{`);
    await once(socket.resume(), 'close');
    expect((await server.checkIn()).status).toBe(200);
    const { text } = await server.get('/metrics');
    expect(text).toMatch('tidegate_check_ins_total{decision="refused",reason="request/invalid"} 1');
  });

  it.each([`${PATH}/`, PATH.toUpperCase(), `${PATH}?a=b`])('is found at %s', async (path) => {
    await using server = await setup();
    expect((await server.agent.post(path).send(checkInOf({}))).status).toBe(200);
  });

  it.each([`${PATH}s`, `${PATH}/host-1`, `/x${PATH}`])('is not found at %s', async (path) => {
    await using server = await setup();
    expect((await server.agent.post(path).send(checkInOf({}))).status).not.toBe(200);
  });

  it.each(['get', 'put', 'delete', 'patch'] as const)('refuses the method %s', async (method) => {
    await using server = await setup();
    const answer = await server.agent[method](PATH);
    expect([answer.status, answer.body.code]).toEqual([405, 'request/method']);
    expect(answer.headers['allow']).toBe('POST');
  });

  it.each([{ variant: 'vmware-dev' }, { arch: 'riscv64' }, { variant: 'a\nb' }])(
    'refuses a platform that nobody publishes for: %j',
    async (change) => {
      await using server = await setup();
      const answer = await server.checkIn(change);
      const code = change.variant === 'a\nb' ? 'request/invalid' : 'request/unknown-platform';
      expect(answer.body.code).toBe(code);
      expect(answer.status).toBe(code === 'request/invalid' ? 400 : 404);
    },
  );

  it('says nothing of itself when it fails in a way that nobody foresaw', async () => {
    await using server = await setup({
      random: () => {
        throw new TypeError('secret detail');
      },
    });
    const answer = await server.checkIn();
    expect([answer.status, answer.body.code]).toEqual([500, 'server/bug']);
    expect(answer.text).not.toMatch('secret');
    expect(JSON.stringify(server.logged)).toMatch('secret detail');
  });
});

describe('reports', () => {
  it('are durable when they are answered, and count once however often they come', async () => {
    await using server = await setup();
    const { body: rollout } = await server.post('/api/v1/rollouts', START);
    const report = reportOf({ rolloutId: rollout.id });
    for (let sent = 0; sent < 3; sent += 1) {
      expect((await server.checkIn({}, { reports: [report] })).status).toBe(200);
    }
    const { body } = await server.get(`/api/v1/rollouts/${rollout.id}`);
    expect(body.counts).toMatchObject({ failed: 1, updated: 0 });
    expect(body.failures).toEqual([
      { hostId: 'host-1', at: '2040-01-01T00:00:00Z', stage: 'verify', error: 'hash differs' },
    ]);
  });

  it('are not acknowledged while the database is away', async () => {
    await using server = await setup();
    server.outages.state.isAway = true;
    const answer = await server.checkIn({}, { reports: [reportOf()] });
    expect([answer.status, answer.body.code]).toEqual([503, 'state/unavailable']);
    expect(answer.headers['retry-after']).toBe('10');
    expect((await server.checkIn()).status).toBe(200);
    server.outages.state.isAway = false;
    expect((await server.checkIn({}, { reports: [reportOf()] })).status).toBe(200);
    expect(await server.state.countsOf('rollout-1')).toMatchObject({ failed: 1 });
  });
});

describe('counts', () => {
  it('tell who waits, who was offered, and what came of it', async () => {
    await using server = await setup();
    const { body: rollout } = await server.post('/api/v1/rollouts', {
      ...START,
      policy: HALF_AT_ONCE,
    });
    server.clock.now = new Date(NOW.getTime() + 3_600_000);
    const seeds = { a: 0, b: 1, c: 2, d: 2000, e: 2001 };
    for (const [id, seed] of Object.entries(seeds)) await server.checkIn({ id, seed });
    const counts = async () => (await server.get(`/api/v1/rollouts/${rollout.id}`)).body.counts;
    expect(await counts()).toEqual({
      waiting: 2,
      offered: 3,
      updated: 0,
      failed: 0,
      overdue: 0,
      rolledBack: 0,
    });
    const report = (outcome: string) =>
      reportOf({ rolloutId: rollout.id, outcome, at: '2040-01-01T01:00:00Z' });
    await server.checkIn({ id: 'a', seed: 0, version: '1.1.0' }, { reports: [report('updated')] });
    await server.checkIn({ id: 'b', seed: 1 }, { reports: [report('failed')] });
    await server.checkIn({ id: 'c', seed: 2 }, { reports: [report('rolled-back')] });
    expect(await counts()).toEqual({
      waiting: 2,
      offered: 0,
      updated: 1,
      failed: 1,
      overdue: 0,
      rolledBack: 1,
    });
  });
});
