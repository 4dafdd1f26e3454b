import { describe, expect, it } from '@jest/globals';
import { SteadyClock } from '../../server/steady-clock.ts';
import { HALF_AT_ONCE, NOW, reportOf, setup, START } from './setup.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const REASON = { reason: 'a look at the clock' };
const JUMPS = [
  { jump: '3 hours ahead', aheadMs: 3 * HOUR },
  { jump: '3 hours back', aheadMs: -3 * HOUR },
  { jump: '30 years ahead', aheadMs: 30 * YEAR },
  { jump: '70 years back', aheadMs: -70 * YEAR },
];

/**
 * A server on a machine whose clock somebody sets, some minutes into a rollout that lets half of the fleet through; of the
 * group prod one host at a time.
 */
async function onMachine() {
  const machine = { elapsedMs: 0, aheadMs: 0 };
  const clock = new SteadyClock({
    system: () => new Date(NOW.getTime() + machine.elapsedMs + machine.aheadMs),
    elapsedMs: () => machine.elapsedMs,
  });
  const server = await setup({ now: () => clock.now(), clock });
  const { body } = await server.post('/api/v1/rollouts', { ...START, policy: HALF_AT_ONCE });
  const rules = { groups: [{ name: 'prod', concurrency: [{ limit: 1 }] }] };
  await server.put('/api/v1/fleet', { rules });
  await server.context.listing.tick();
  await server.context.commitPending();
  machine.elapsedMs = 20 * MINUTE;
  await server.context.listing.tick();
  const rolloutId = String(body.id);
  const poll = async (host: object, more: object = {}) => {
    const answer = await server.checkIn(host, more);
    expect(answer.status).toBe(200);
    return answer.body.reason ?? answer.body.decision;
  };
  const order = (verb: string) => server.post(`/api/v1/rollouts/${rolloutId}/${verb}`, REASON);
  return Object.assign(server, { machine, rolloutId, poll, order });
}

const early = { id: 'early', seed: 7 };
const late = { id: 'late', seed: 2000 };

describe('a server on a machine whose clock jumps', () => {
  it.each(JUMPS)(
    'holds who is held, offers to whom it offered, and says what is wrong: $jump',
    async ({ aheadMs }) => {
      await using server = await onMachine();
      const { machine, poll } = server;
      const inProd = (id: string) => poll({ ...early, id, group: 'prod' });
      expect(await poll(early)).toBe('update');
      expect(await inProd('first')).toBe('update');
      const lateBefore = await poll(late);
      expect(lateBefore).not.toBe('update');
      machine.aheadMs = aheadMs;
      expect(await poll(early)).toBe('update');
      expect(await poll(late)).toBe(lateBefore);
      await server.context.leases.tick();
      expect(await inProd('first')).toBe('update');
      expect(await inProd('second')).toBe('concurrency');
      const ready = await server.get('/readyz');
      expect(ready.status).toBe(503);
      expect(ready.body.checks.clock).toEqual({
        ok: false,
        detail: expect.stringMatching(/^server\/clock: the clock of the machine jumped/),
      });
      machine.aheadMs = 0;
      expect((await server.get('/readyz')).status).toBe(200);
    },
  );

  it.each(JUMPS)('signs nothing anew, and verbs by the right time: $jump', async ({ aheadMs }) => {
    await using server = await onMachine();
    const { machine, context, order } = server;
    const { timestampEtag, timestamp } = context.fleet.view.published.state;
    machine.aheadMs = aheadMs;
    await context.listing.tick();
    expect(context.fleet.view.published.state.timestampEtag).toBe(timestampEtag);
    expect((await order('pause')).status).toBe(200);
    await context.commitPending();
    machine.aheadMs = -aheadMs;
    expect((await order('resume')).status).toBe(200);
    await context.commitPending();
    const [rollout] = await server.committed();
    const at = new Date(NOW.getTime() + 20 * MINUTE);
    expect(rollout?.history.slice(1)).toMatchObject([
      { verb: 'pause', at },
      { verb: 'resume', at },
    ]);
    const now = context.fleet.view.published.state.timestamp;
    expect(now.version).toBe(timestamp.version + 2);
    expect(now.expires).toBe(timestamp.expires);
  });

  it.each(JUMPS.filter(({ aheadMs }) => Math.abs(aheadMs) > DAY))(
    'refuses verbs and signs nothing while it must believe a clock that cannot be right, and recovers: $jump',
    async ({ aheadMs }) => {
      await using server = await onMachine();
      const { machine, context, order, poll, rolloutId } = server;
      const { timestampEtag } = context.fleet.view.published.state;
      expect((await order('pause')).status).toBe(200);
      machine.aheadMs = aheadMs;
      context.now();
      machine.elapsedMs += HOUR;
      expect(Math.abs(context.now().getTime() - NOW.getTime())).toBeGreaterThan(YEAR);
      await expect(context.commitPending()).rejects.toMatchObject({ code: 'repository/clock' });
      const refused = await order('resume');
      expect(refused.status).toBe(503);
      expect(refused.body.code).toBe('repository/clock');
      expect(await poll(early)).toBe('paused');
      expect(await poll(early, { reports: [reportOf({ rolloutId })] })).toBe('paused');
      const { body } = await server.get('/readyz');
      expect(body.checks.storage).toMatchObject({
        ok: false,
        detail: expect.stringMatching(/repository\/clock: /),
      });
      expect(context.fleet.view.published.state.timestampEtag).toBe(timestampEtag);
      machine.aheadMs = 0;
      await context.commitPending();
      expect((await order('resume')).status).toBe(200);
      await context.commitPending();
      expect(await poll(early)).toBe('update');
      expect((await server.get('/readyz')).status).toBe(200);
      const [rollout] = await server.committed();
      expect(rollout?.history.map(({ verb, at }) => [verb, at.getTime() - NOW.getTime()])).toEqual([
        ['start', 0],
        ['pause', 20 * MINUTE],
        ['resume', HOUR + 20 * MINUTE],
      ]);
    },
  );

  it('lists an update for Bottlerocket hosts at its time, although a wrong clock was believed before', async () => {
    await using server = await onMachine();
    const { machine, context } = server;
    const startAt = new Date(NOW.getTime() + 5 * HOUR).toISOString();
    await server.order('withdraw');
    await server.post('/api/v1/rollouts', { ...START, startAt });
    await context.commitPending();
    machine.aheadMs = 2 * DAY;
    context.now();
    machine.elapsedMs += HOUR;
    await context.listing.tick();
    const aheadEtag = context.fleet.view.published.state.timestampEtag;
    machine.aheadMs = 0;
    await context.listing.tick();
    expect(context.fleet.view.published.state.timestampEtag).not.toBe(aheadEtag);
    expect(Date.parse(context.fleet.view.published.state.timestamp.expires)).toBeLessThan(
      context.now().getTime() + 7 * DAY + MINUTE,
    );
  });
});
