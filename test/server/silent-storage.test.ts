import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { ReplicaEvents, Replicas } from '../../adapters/state/replicas.ts';
import { openPatient } from '../support/example-repository.ts';
import { breakable } from './breakable.ts';
import { PLATFORM, publishReleases, reportOf, setup, START } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';
const REASON = { reason: 'a closer look' };
/** Of the event loop: far more than anything takes that waits for no storage. */
const TURNS = 10_000;

/** A server with a committed rollout, whose storage takes calls from now on and answers none. */
async function silenced() {
  const server = await setup();
  const { body } = await server.post(ROLLOUTS, START);
  await server.context.commitPending();
  server.outages.storage.isSilent = true;
  const rollout = `${ROLLOUTS}/${body.id}`;
  return { ...server, rollout };
}

/** A server that follows, and hears of others when it is told here. */
function follower() {
  const listeners: ReplicaEvents[] = [];
  const replicas: Replicas = {
    status: 'follows',
    start: (events) => {
      listeners.push(events);
    },
    notify: () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  const tell = () => {
    listeners.forEach(({ onNews }) => {
      onNews({ kind: 'changed' });
    });
  };
  return { replicas, tell };
}

describe('a storage that takes calls and does not answer', () => {
  it.each([
    {
      case: 'the impact of a way back is asked for',
      path: '/roll-back/impact',
      body: { to: '1.0.0' },
    },
    { case: 'a way back waits', path: '/roll-back', body: { to: '1.0.0', ...REASON } },
    { case: 'a verb that is not legal waits', path: '/resume', body: {} },
    { case: 'the repository is looked at', path: '', body: {} },
  ])('holds up no pause while $case', async ({ path, body }) => {
    await using server = await silenced();
    const refresh = '/api/v1/repository/refresh';
    const waiting = server.post(path === '' ? refresh : server.rollout + path, body);
    // It is sent only when somebody waits for it.
    waiting.then(
      () => {},
      () => {},
    );
    await server.get(server.rollout);
    expect((await server.post(`${server.rollout}/pause`, REASON)).status).toBe(200);
    expect((await server.checkIn()).body.reason).toBe('paused');
  });

  it('holds up no change of the rules while a start waits for its release', async () => {
    await using server = await silenced();
    const started = server.post(ROLLOUTS, { ...START, version: '1.0.0' });
    started.then(
      () => {},
      () => {},
    );
    await server.get(server.rollout);
    const rules = { excludes: { 'host-1': 'not now' } };
    expect((await server.put('/api/v1/fleet', { rules })).status).toBe(200);
    expect((await server.checkIn()).body.reason).toBe('excluded');
  });

  it('holds up no halt while the way back of another rollout waits', async () => {
    await using server = await setup();
    const repository = openPatient(server.storage);
    await publishReleases(repository, server.signers, [
      { version: '1.2.0', rollbackTo: ['1.0.0'] },
    ]);
    await server.post('/api/v1/repository/refresh');
    const policy = `
[halt]
failed_percentage = 50
minimum = 1
roll_back_to = '1.0.0'
[[waves]]
start_after = '1 second'
fleet_percentage = 100
`;
    const start = async (version: string) => {
      const { body } = await server.post(ROLLOUTS, { ...START, version, policy });
      return String(body.id);
    };
    const [first, second] = [await start('1.1.0'), await start('1.2.0')];
    await server.context.commitPending();
    const fail = (rolloutId: string, id: string) =>
      server.checkIn({ id }, { reports: [reportOf({ id: `report-${id}`, rolloutId })] });
    const stateOf = (id: string) =>
      server.context.fleet.view.rollouts.find((rollout) => rollout.id === id)?.state;
    await fail(first, 'a');
    await server.context.judge(['running']);
    expect(stateOf(first)).toBe('halted');
    server.outages.storage.isSilent = true;
    server.context.jobs.start();
    await fail(second, 'b');
    for (let turn = 0; turn < TURNS && stateOf(second) !== 'halted'; turn += 1) await nextTurn();
    expect([stateOf(first), stateOf(second)]).toEqual(['halted', 'halted']);
  });

  it('holds up no server that is told of a verb', async () => {
    await using server = await setup();
    const { body } = await server.post(ROLLOUTS, START);
    await server.context.commitPending();
    const { resource: storage, outage } = breakable(server.storage);
    const { replicas, tell } = follower();
    const other = await server.restart({ storage, replicas });
    outage.isSilent = true;
    other.jobs.start();
    const seen = () => other.fleet.currentRollouts(PLATFORM)?.map(({ state }) => state);
    for (const [verb, state] of [
      ['pause', 'paused'],
      ['resume', 'running'],
      ['pause', 'paused'],
    ]) {
      await server.post(`${ROLLOUTS}/${body.id}/${verb}`, REASON);
      await server.context.commitPending();
      tell();
      while (seen()?.[0] !== state) await nextTurn();
    }
    expect(other.link.contact.kind).toBe('ok');
  });
});
