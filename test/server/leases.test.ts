import { describe, expect, it } from '@jest/globals';
import { aloneReplicas } from '../../adapters/state/replicas.ts';
import type { News } from '../../adapters/state/replicas.ts';
import { whySchema } from '../../core/why.ts';
import type { ContextParts } from '../../server/context.ts';
import { reportOf, setup, START } from './setup.ts';

type Server = Awaited<ReturnType<typeof setup>>;

/** A server with a rollout to everybody at once, and these limits of the group prod. */
async function limited(change: Partial<ContextParts>, ...concurrency: readonly object[]) {
  const server = await setup(change);
  const started = await server.post('/api/v1/rollouts', START);
  await server.put('/api/v1/fleet', { rules: { groups: [{ name: 'prod', concurrency }] } });
  return Object.assign(server, { rolloutId: String(started.body.id) });
}

/** What a host of the group is told: `update`, or why not. */
async function poll(server: Server, id: string, more: object = {}, host: object = {}) {
  const { status, body } = await server.checkIn({ id, group: 'prod', ...host }, more);
  expect(status).toBe(200);
  return body.reason ?? body.decision;
}

function later(server: Server, minutes: number): void {
  server.clock.now = new Date(server.clock.now.getTime() + minutes * 60_000);
}

/** Has something done between every answer of the database about a lease and what the server makes of it. */
function afterGrants(server: Server, then: () => unknown): void {
  const { state } = server;
  const grant = state.grantLease.bind(state);
  state.grantLease = async (order) => {
    const isGranted = await grant(order);
    await then();
    return isGranted;
  };
}

function countGrants(server: Server): { count: number } {
  const grants = { count: 0 };
  afterGrants(server, () => (grants.count += 1));
  return grants;
}

describe('a concurrency limit', () => {
  it('lets as many hosts start as it says, and others when those have reported', async () => {
    await using server = await limited({}, { limit: 2 });
    expect(await poll(server, 'a')).toBe('update');
    expect(await poll(server, 'b')).toBe('update');
    expect(await poll(server, 'c')).toBe('concurrency');
    expect(await poll(server, 'a')).toBe('update');
    const { rolloutId } = server;
    const reports = [reportOf({ rolloutId, outcome: 'updated', error: undefined })];
    expect(await poll(server, 'a', { reports }, { version: '1.1.0' })).toBe('up-to-date');
    expect(await poll(server, 'c')).toBe('update');
    expect(await poll(server, 'd')).toBe('concurrency');
  });

  it('is free for others while a host does not try again what failed on it, until a retry asks it to', async () => {
    await using server = await limited({}, { limit: 1, per: 'rack' });
    const { rolloutId } = server;
    expect(await poll(server, 'a')).toBe('update');
    const reports = [reportOf({ rolloutId })];
    const failed = [{ version: '1.1.0', attempt: 1 }];
    expect(await poll(server, 'a', { state: 'fallen-back', reports, failed })).toBe('failed');
    expect(await poll(server, 'b')).toBe('update');
    expect(await poll(server, 'a', { failed })).toBe('failed');
    const updated = [reportOf({ rolloutId, outcome: 'updated', error: undefined })];
    await poll(server, 'b', { reports: updated }, { version: '1.1.0' });
    expect(await poll(server, 'c')).toBe('update');
    later(server, 60);
    await server.post(`/api/v1/rollouts/${rolloutId}/retry`);
    expect(await poll(server, 'a', { failed })).toBe('update');
    expect(await poll(server, 'c')).toBe('concurrency');
  });

  it('is free for others while a host waits until it tries again, and then it may', async () => {
    await using server = await limited({}, { limit: 1 });
    const failure = { version: '1.1.0', attempt: 1, retryAfterSeconds: 90 };
    const failed = [{ version: '1.0.8', attempt: 1 }, failure];
    const { body } = await server.checkIn({ id: 'a', group: 'prod' }, { failed });
    expect(body.reason).toBe('failed');
    expect(Date.parse(body.eligibleAt) - server.clock.now.getTime()).toBe(90_000);
    expect(body.nextCheckInSeconds).toBeLessThan(200);
    expect(await poll(server, 'b')).toBe('update');
    expect(await poll(server, 'b', { failed: [{ ...failure, version: '1.0.9' }] })).toBe('update');
  });

  it('holds nobody of another group', async () => {
    await using server = await limited({}, { limit: 1 });
    expect(await poll(server, 'a')).toBe('update');
    expect(await poll(server, 'b', {}, { group: 'test' })).toBe('update');
  });

  it('holds for each value of a label, and all limits of a group hold at once', async () => {
    await using server = await limited({}, { limit: 3 }, { limit: 1, per: 'rack' });
    const inRack = (id: string, rack: string) => poll(server, id, {}, { labels: { rack } });
    expect(await inRack('a', '1')).toBe('update');
    expect(await inRack('b', '1')).toBe('concurrency');
    expect(await inRack('c', '2')).toBe('update');
    expect(await inRack('d', '3')).toBe('update');
    expect(await inRack('e', '4')).toBe('concurrency');
  });

  it('is the lower one of a number and a share of the same hosts', async () => {
    await using server = await limited({}, { limit: 3 }, { limit: '50 %' });
    for (const id of ['a', 'b', 'c', 'd']) await poll(server, id, {}, { version: '1.1.0' });
    await server.context.writeBehind.flush();
    await server.context.members.tick();
    expect(await poll(server, 'a')).toBe('update');
    expect(await poll(server, 'b')).toBe('update');
    expect(await poll(server, 'c')).toBe('concurrency');
  });

  it('frees what a host holds that says nothing until its lease ends', async () => {
    await using server = await limited({}, { limit: 1 });
    await poll(server, 'a');
    later(server, 59);
    expect(await poll(server, 'b')).toBe('concurrency');
    later(server, 1);
    expect(await poll(server, 'b')).toBe('update');
    expect(await poll(server, 'a')).toBe('concurrency');
  });

  it('frees what a host holds that a clock which was ahead gave it, although it is gone for ever', async () => {
    await using server = await limited({}, { limit: 1 });
    later(server, 60 * 24 * 365);
    expect(await poll(server, 'a')).toBe('update');
    later(server, -60 * 24 * 365);
    await server.context.leases.tick();
    later(server, 59);
    await server.context.leases.tick();
    expect(await poll(server, 'b')).toBe('concurrency');
    later(server, 1);
    await server.context.leases.tick();
    expect(await poll(server, 'b')).toBe('update');
  });

  it('takes nothing from who holds a lease while the clock is so far behind that it cannot be right', async () => {
    await using server = await limited({}, { limit: 1 });
    await poll(server, 'a');
    later(server, -60 * 24 * 365);
    await expect(server.context.leases.tick()).rejects.toMatchObject({ code: 'repository/clock' });
    later(server, 60 * 24 * 365);
    await server.context.leases.tick();
    expect(await poll(server, 'b')).toBe('concurrency');
  });

  it.each(['ready', 'confirming'])(
    'keeps the lease of a host that is heard of as %s',
    async (state) => {
      await using server = await limited({}, { limit: 1 });
      await poll(server, 'a');
      later(server, 40);
      await poll(server, 'a', { state }, { version: '1.1.0' });
      await server.context.leases.tick();
      later(server, 40);
      expect(await poll(server, 'b')).toBe('concurrency');
    },
  );

  it('is a share of the hosts that are known, counted again every ten minutes, and of one host before', async () => {
    await using server = await limited({}, { limit: '20 %' });
    const started = async (count: number) => {
      const told = [];
      for (let index = 0; index < count; index += 1) told.push(await poll(server, `h${index}`));
      await server.context.writeBehind.flush();
      await server.context.members.tick();
      return told.filter((answer) => answer === 'update').length;
    };
    expect(await started(14)).toBe(1);
    expect(await started(24)).toBe(2);
    expect(await started(24)).toBe(2);
    later(server, 10);
    await server.context.members.tick();
    expect(await started(24)).toBe(4);
  });

  it('is explained by how many are under way', async () => {
    await using server = await limited({}, { limit: 1 });
    await poll(server, 'a');
    await poll(server, 'b');
    const { body } = await server.get('/api/v1/hosts/b/why');
    const rule = whySchema.parse(body).steps[0]?.rules.find(({ verdict }) => verdict === 'hold');
    expect(rule).toMatchObject({ rule: 'concurrency', detail: '["prod"]: 1 of 1' });
    const own = whySchema.parse((await server.get('/api/v1/hosts/a/why')).body);
    expect(own.decision).toBe('forward to 1.1.0');
  });

  it('asks the database only for those that it can let through, however many ask at once', async () => {
    await using server = await limited({}, { limit: 3 });
    const grants = countGrants(server);
    const hosts = Array.from({ length: 64 }, (_, index) => `host-${index}`);
    const told = await Promise.all(hosts.map((id) => poll(server, id)));
    expect(told.filter((answer) => answer === 'update')).toHaveLength(3);
    expect(grants.count).toBe(3);
  });
});

describe('two servers with one limit', () => {
  it('know of what the other gave when the database refuses, and of what it freed when they look', async () => {
    await using server = await limited({}, { limit: 1 });
    const other = await server.restart();
    expect(await other.leases.take({ id: 'x', group: 'prod' })).toBe(true);
    const grants = countGrants(server);
    expect(await poll(server, 'a')).toBe('concurrency');
    expect(await poll(server, 'b')).toBe('concurrency');
    expect(grants.count).toBe(1);
    await server.state.recordReports('x', [{ ...sample(), id: 'r' }], server.clock.now);
    await server.context.leases.tick();
    expect(await poll(server, 'b')).toBe('update');
    expect(await poll(server, 'a')).toBe('concurrency');
  });

  it('never let a host go on with a lease that was freed through the other', async () => {
    await using server = await limited({}, { limit: 1 });
    const other = await server.restart();
    expect(await poll(server, 'a')).toBe('update');
    await server.state.recordReports('a', [{ ...sample(), id: 'r' }], server.clock.now);
    expect(await other.leases.take({ id: 'b', group: 'prod' })).toBe(true);
    expect(await poll(server, 'a')).toBe('concurrency');
  });
});

describe('a server whose book is full', () => {
  it('lets a host go on that was given its lease by another one a moment ago', async () => {
    const told: News[] = [];
    const replicas = { ...aloneReplicas(), notify: (news: News) => told.push(news) };
    await using server = await limited({ replicas }, { limit: 1 });
    const other = await server.restart();
    expect(await poll(server, 'a')).toBe('update');
    await other.leases.tick();
    const reports = [
      reportOf({ rolloutId: server.rolloutId, outcome: 'updated', error: undefined }),
    ];
    await poll(server, 'a', { reports }, { version: '1.1.0' });
    expect(await poll(server, 'x')).toBe('update');
    const news = told.flatMap((one) => (one.kind === 'leased' ? [one.hostId] : []));
    expect(news).toEqual(['a', 'x']);
    const heldThere = (id: string) => other.leases.countFor(id)('["prod"]')?.inUse;
    expect(heldThere('x')).toBe(1);
    other.leases.mayHold('x');
    expect([heldThere('x'), heldThere('b')]).toEqual([0, 1]);
    expect(await other.leases.take({ id: 'x', group: 'prod' })).toBe(true);
  });

  it('asks the database about a host whose report frees nothing because it is an old one, and once', async () => {
    await using server = await limited({}, { limit: 2 });
    const reports = [reportOf({ rolloutId: server.rolloutId })];
    await poll(server, 'a', { reports });
    expect(await poll(server, 'b')).toBe('update');
    server.context.leases.freed('a');
    expect(await server.context.leases.take({ id: 'c', group: 'prod' })).toBe(false);
    expect(await poll(server, 'a')).toBe('update');
    const grants = countGrants(server);
    for (const id of ['c', 'c', 'd']) expect(await poll(server, id)).toBe('concurrency');
    expect(grants.count).toBe(0);
  });

  it('asks the database once about a host that holds nothing after all', async () => {
    await using server = await limited({}, { limit: 1 });
    await poll(server, 'a');
    server.context.leases.mayHold('b');
    const grants = countGrants(server);
    for (let time = 0; time < 3; time += 1) expect(await poll(server, 'b')).toBe('concurrency');
    expect(grants.count).toBe(1);
  });
});

describe('while the database is away', () => {
  it('nobody starts under a limit, all others do, and nobody is needed to end it', async () => {
    await using server = await limited({}, { limit: 2 });
    server.outages.state.isAway = true;
    expect(await poll(server, 'a')).toBe('concurrency');
    expect(await poll(server, 'b', {}, { group: 'test' })).toBe('update');
    server.outages.state.isAway = false;
    await server.context.leases.tick();
    expect(await poll(server, 'a')).toBe('update');
  });

  it('hosts are held from memory when the limit is reached', async () => {
    await using server = await limited({}, { limit: 1 });
    await poll(server, 'a');
    server.outages.state.isAway = true;
    expect(await poll(server, 'b')).toBe('concurrency');
  });
});

describe('a pause that is acknowledged while the database gives a lease', () => {
  it('is obeyed by the poll that waits for it', async () => {
    await using server = await limited({}, { limit: 2 });
    const pause = `/api/v1/rollouts/${server.rolloutId}/pause`;
    afterGrants(server, () => server.post(pause, { reason: 'smoke' }));
    expect(await poll(server, 'a')).toBe('paused');
  });
});

function sample() {
  const { at, error, ...report } = reportOf();
  return { ...report, outcome: 'failed' as const, error, at: new Date(at) };
}
