import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { ReplicaEvents, Replicas } from '../../adapters/state/replicas.ts';
import { breakable } from './breakable.ts';
import { PLATFORM, setup, START } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';
const REASON = { reason: 'a closer look' };

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
