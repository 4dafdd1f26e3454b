import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { aloneReplicas } from '../../adapters/state/replicas.ts';
import type { News, ReplicaEvents } from '../../adapters/state/replicas.ts';
import type { ContextParts } from '../../server/context.ts';
import { openPatient } from '../support/example-repository.ts';
import { HALF_AT_ONCE, NOW, publishReleases, reportOf, setup, START } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';
const HOUR_MS = 3_600_000;

/** Everyone who may, at once; then the rest if four of five hosts came through. */
const GATED = `
outcome_within = '2 hours'
[halt]
failed_percentage = 50
minimum = 4
roll_back_to = '1.0.0'
[[waves]]
start_after = '1 second'
fleet_percentage = 50
[[waves]]
start_after = '1 minute'
fleet_percentage = 100
gate = { success_percentage = 80, minimum = 5 }
`;

async function gated(policy = GATED, change: Partial<ContextParts> = {}) {
  const server = await setup(change);
  const started = await server.post(ROLLOUTS, { ...START, policy });
  expect(started.status).toBe(201);
  const { id } = started.body;
  server.clock.now = new Date(NOW.getTime() + HOUR_MS);
  const at = server.clock.now.toISOString();
  return {
    ...server,
    id,
    view: async () => (await server.get(`${ROLLOUTS}/${id}`)).body,
    offer: async (name: string) => server.checkIn({ id: name, seed: 7 }),
    report: async (name: string, outcome: string) => {
      const version = outcome === 'updated' ? '1.1.0' : '1.0.0';
      const report = reportOf({ rolloutId: id, outcome, at });
      return server.checkIn({ id: name, seed: 7, version }, { reports: [report] });
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

describe('a gate that asks for outcomes', () => {
  it('lets nobody new through until enough hosts came through, and then goes on by itself', async () => {
    await using server = await gated();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await server.offer(name);
    await server.context.judge();
    expect(await server.view()).toMatchObject({
      ...{ phase: 'at-gate', gate: { opening: 1, waitsFor: ['success'] } },
    });
    expect((await server.checkIn({ id: 'z', seed: 2000 })).body.reason).toBe('gate');
    for (const name of ['a', 'b', 'c']) await server.report(name, 'updated');
    await server.context.judge();
    expect((await server.view()).phase).toBe('at-gate');
    await server.report('d', 'updated');
    await server.context.judge();
    const view = await server.view();
    expect(view).toMatchObject({ phase: 'complete', gate: null });
    expect(view.history.at(-1)).toMatchObject({
      ...{ verb: 'pass-gate', by: 'server', reason: '4 of 5 hosts came through' },
      evidence: { offered: 1, updated: 4, failed: 0, overdue: 0, successes: 4, failures: 0 },
    });
    expect((await server.checkIn({ id: 'z', seed: 2000 })).body.decision).toBe('update');
  });

  it('counts offers that still lie in memory', async () => {
    await using server = await gated();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await server.report(name, 'updated');
    for (const name of ['f', 'g']) await server.offer(name);
    await server.context.judge();
    expect((await server.view()).phase).toBe('at-gate');
  });

  it('can be opened by a person whatever the outcomes are', async () => {
    await using server = await gated();
    const { body } = await server.post(`${ROLLOUTS}/${server.id}/advance`);
    expect(body).toMatchObject({ phase: 'complete', gate: null });
  });
});

describe('failures', () => {
  it('halt the rollout, and send hosts back if the policy says so, with what was counted', async () => {
    await using server = await gated();
    for (const name of ['a', 'b']) await server.report(name, 'updated');
    await server.report('c', 'failed');
    await server.context.judge();
    expect((await server.view()).state).toBe('running');
    await server.report('d', 'failed');
    await server.context.judge();
    expect((await server.view()).state).toBe('halted');
    expect((await server.offer('e')).body.reason).toBe('halted');
    await server.context.judge();
    const view = await server.view();
    expect(view).toMatchObject({ state: 'rolled-back', sentBackTo: '1.0.0' });
    const [halt, back] = view.history.slice(-2);
    expect(halt).toMatchObject({
      ...{ verb: 'halt', by: 'server' },
      reason: '2 of 4 outcomes are failures: the policy halts at 50 % of at least 4',
      evidence: { updated: 2, failed: 2, successes: 2, failures: 2 },
    });
    expect(back).toMatchObject({ verb: 'roll-back', by: 'server' });
    const { body } = await server.checkIn({ id: 'a', seed: 7, version: '1.1.0' });
    expect(body).toMatchObject({ decision: 'update', direction: 'rollback' });
  });

  it('are hosts, too, that were offered the release and fell silent', async () => {
    await using server = await gated(GATED.replace(/roll_back_to.*/, ''));
    for (const name of ['a', 'b', 'c', 'd']) await server.offer(name);
    server.clock.now = new Date(NOW.getTime() + 3 * HOUR_MS);
    await server.context.judge();
    expect((await server.view()).state).toBe('running');
    server.clock.now = new Date(NOW.getTime() + 3 * HOUR_MS + 1);
    await server.context.judge();
    const view = await server.view();
    expect(view).toMatchObject({ state: 'halted', counts: { overdue: 4, offered: 0 } });
  });

  it('are no hosts that wait for a rollout that stood still: resumed, it gives them all of their time again', async () => {
    await using server = await gated(GATED.replace(/roll_back_to.*/, ''));
    const later = (hours: number) => {
      server.clock.now = new Date(server.clock.now.getTime() + hours * HOUR_MS);
    };
    for (const name of ['a', 'b', 'c', 'd']) await server.offer(name);
    await server.context.judge();
    later(1);
    await server.post(`${ROLLOUTS}/${server.id}/pause`, { reason: 'night' });
    later(9);
    await server.context.judge();
    await server.post(`${ROLLOUTS}/${server.id}/resume`);
    later(2);
    await server.context.judge();
    const waits = { state: 'running', counts: { offered: 4, overdue: 0 } };
    expect(await server.view()).toMatchObject(waits);
    later(1);
    await server.context.judge();
    expect(await server.view()).toMatchObject({ state: 'halted', counts: { overdue: 4 } });
  });

  it('are no hosts that a halt keeps waiting: who resumes it is not halted by them', async () => {
    await using server = await gated(GATED.replace(/roll_back_to.*/, ''));
    for (const name of ['e', 'f', 'g', 'h']) await server.offer(name);
    for (const name of ['a', 'b', 'c', 'd']) await server.report(name, 'failed');
    await server.context.judge();
    expect((await server.view()).state).toBe('halted');
    server.clock.now = new Date(server.clock.now.getTime() + 9 * HOUR_MS);
    await server.context.judge();
    await server.post(`${ROLLOUTS}/${server.id}/resume`);
    await server.context.judge();
    expect(await server.view()).toMatchObject({ state: 'running', counts: { offered: 4 } });
  });

  it('halt no rollout a second time that a person resumed after the halt', async () => {
    await using server = await gated(GATED.replace(/roll_back_to.*/, ''));
    for (const name of ['a', 'b', 'c', 'd']) await server.report(name, 'failed');
    await server.context.judge();
    await server.post(`${ROLLOUTS}/${server.id}/resume`);
    await server.context.judge();
    expect((await server.view()).state).toBe('running');
    for (const name of ['e', 'f', 'g', 'h']) await server.report(name, 'failed');
    await server.context.judge();
    expect((await server.view()).state).toBe('halted');
  });

  it('halt the rollout again as soon when the database lost those that a person forgave', async () => {
    await using server = await gated(GATED.replace(/roll_back_to.*/, ''));
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await server.report(name, 'failed');
    await server.context.judge();
    await server.post(`${ROLLOUTS}/${server.id}/resume`);
    await server.context.commitPending();
    await using rebuilt = await setup({ storage: server.storage, now: () => server.clock.now });
    await rebuilt.context.judge();
    const reports = [reportOf({ rolloutId: server.id, at: server.clock.now.toISOString() })];
    for (const id of ['g', 'h', 'i', 'j']) {
      expect(rebuilt.context.fleet.view.rollouts[0]?.state).toBe('running');
      await rebuilt.checkIn({ id }, { reports });
      await rebuilt.context.judge();
    }
    expect(rebuilt.context.fleet.view.rollouts[0]?.state).toBe('halted');
  });

  it('are asked once more by a retry, and count again when they fail again', async () => {
    await using server = await gated(GATED.replace(/roll_back_to.*/, ''));
    for (const name of ['a', 'b', 'c', 'd']) await server.report(name, 'failed');
    await server.context.judge();
    await server.post(`${ROLLOUTS}/${server.id}/retry`);
    await server.post(`${ROLLOUTS}/${server.id}/resume`);
    await server.context.judge();
    const view = await server.view();
    expect(view).toMatchObject({ attempt: 2, state: 'running', counts: { offered: 4, failed: 0 } });
    for (let attempt = 3; attempt <= 5; attempt += 1) {
      const { body } = await server.post(`${ROLLOUTS}/${server.id}/retry`);
      expect(body.attempt).toBe(attempt);
    }
    const refused = await server.post(`${ROLLOUTS}/${server.id}/retry`);
    expect([refused.status, refused.body.code]).toEqual([409, 'rollout/illegal']);
  });

  it('count when they fail again before the server has asked them again', async () => {
    await using server = await gated(GATED.replace(/roll_back_to.*/, ''));
    for (const name of ['a', 'b', 'c', 'd']) await server.report(name, 'failed');
    await server.context.judge();
    await server.post(`${ROLLOUTS}/${server.id}/retry`);
    await server.post(`${ROLLOUTS}/${server.id}/resume`);
    const at = new Date(server.clock.now.getTime() + 1000).toISOString();
    for (const name of ['a', 'b', 'c', 'd']) {
      const again = reportOf({ id: 'report-2', rolloutId: server.id, at });
      await server.checkIn({ id: name, seed: 7 }, { reports: [again] });
    }
    await server.context.judge();
    const counts = { offered: 0, failed: 4 };
    expect(await server.view()).toMatchObject({ attempt: 2, state: 'halted', counts });
  });

  it('halt durably: the verb is in the outbox, and the manifest names what was counted', async () => {
    await using server = await gated(GATED.replace(/roll_back_to.*/, ''));
    for (const name of ['a', 'b', 'c', 'd']) await server.report(name, 'failed');
    await server.context.judge();
    const restarted = await server.restart();
    expect(restarted.fleet.view.rollouts[0]?.state).toBe('halted');
    await restarted.commitPending();
    const [committed] = await server.committed();
    expect(committed?.history.at(-1)).toMatchObject({ verb: 'halt', evidence: { failures: 4 } });
  });

  /** Two rollouts, the newer one first. */
  const pair = async () => {
    const server = await setup();
    await publishReleases(openPatient(server.storage), server.signers, [
      { version: '1.2.0', rollbackTo: ['1.0.0'] },
    ]);
    const start = async (version: string, policy: string) =>
      (await server.post(ROLLOUTS, { ...START, version, policy })).body.id;
    return {
      ...server,
      newer: await start('1.2.0', GATED),
      older: await start('1.1.0', GATED.replace(/roll_back_to.*/, '')),
      states: () => server.context.fleet.view.rollouts.map(({ state }) => state),
      fail: async (rolloutId: string) => {
        const report = reportOf({ rolloutId, outcome: 'failed' });
        for (const id of ['a', 'b', 'c', 'd']) {
          await server.checkIn({ id }, { reports: [{ ...report, id: `${rolloutId}-${id}` }] });
        }
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  };

  it('halt a rollout although the way back of a newer one cannot be read', async () => {
    await using server = await pair();
    await server.fail(server.newer);
    await server.context.judge();
    await server.fail(server.older);
    server.outages.storage.isAway = true;
    await expect(server.context.judge()).rejects.toMatchObject({ code: 'storage/unavailable' });
    expect(server.states()).toEqual(['halted', 'halted']);
  });

  it('halt all rollouts at once that have too many', async () => {
    await using server = await pair();
    await server.fail(server.newer);
    await server.fail(server.older);
    await server.context.judge();
    expect(server.states()).toEqual(['halted', 'halted']);
  });

  it('are judged once by two servers on one database', async () => {
    await using server = await gated(GATED.replace(/roll_back_to.*/, ''));
    for (const name of ['a', 'b', 'c', 'd']) await server.report(name, 'failed');
    await server.context.commitPending();
    const other = await server.restart();
    await server.context.judge();
    server.clock.now = new Date(server.clock.now.getTime() + 1);
    await other.judge();
    expect(other.fleet.view.rollouts).toEqual(server.context.fleet.view.rollouts);
    await server.context.commitPending();
    await other.link.follow();
    await other.judge();
    const [committed] = await server.committed();
    expect(committed?.history.filter(({ verb }) => verb === 'halt')).toHaveLength(1);
  });

  it('cost nothing where the policy asks for nothing', async () => {
    await using server = await setup();
    await server.post(ROLLOUTS, { ...START, policy: HALF_AT_ONCE });
    server.outages.state.isAway = true;
    await expect(server.context.judge()).resolves.toBeUndefined();
  });
});

describe('a way back in waves', () => {
  it('is asked for by its policy, and the same request again is the same', async () => {
    await using server = await setup();
    const { body: started } = await server.post(ROLLOUTS, START);
    const path = `${ROLLOUTS}/${started.id}/roll-back`;
    const order = {
      ...{ requestId: 'back-in-waves', reason: 'test', to: '1.0.0', policy: HALF_AT_ONCE },
    };
    const { body } = await server.post(path, order);
    expect(body).toMatchObject({ state: 'rolled-back', tide: { seeds: 0 } });
    expect((await server.post(path, order)).body).toEqual(body);
    const other = await server.post(path, { ...order, policy: GATED });
    expect([other.status, other.body.code]).toEqual([409, 'request/conflict']);
    expect((await server.checkIn({ seed: 2000, version: '1.1.0' })).body.reason).toBe('not-yet');
  });

  it('has no halt of its own', async () => {
    await using server = await setup();
    const { body: started } = await server.post(ROLLOUTS, START);
    const path = `${ROLLOUTS}/${started.id}/roll-back`;
    const answer = await server.post(path, { reason: 'test', to: '1.0.0', policy: GATED });
    expect([answer.status, answer.body.code]).toEqual([409, 'rollout/policy']);
  });
});

describe('failures that are reported to a server that follows', () => {
  it('are judged at once by the server that leads', async () => {
    const ofLeader: ReplicaEvents[] = [];
    const alone = aloneReplicas();
    const notify = (news: News) => {
      ofLeader.forEach(({ onNews }) => {
        onNews(news);
      });
    };
    const start = (events: ReplicaEvents) => {
      ofLeader.push(events);
    };
    await using server = await gated(GATED, { replicas: { ...alone, status: 'follows', notify } });
    const leader = await server.restart({ replicas: { ...alone, status: 'leads', start } });
    leader.jobs.start();
    for (const name of ['a', 'b', 'c', 'd']) await server.report(name, 'failed');
    // No timer goes off here, so that nothing else makes it judge.
    while (leader.fleet.view.rollouts[0]?.state === 'running') await nextTurn();
    expect(leader.fleet.view.rollouts[0]?.history.map(({ verb }) => verb)).toContain('halt');
    await leader.jobs.stop();
  });
});
