import { describe, expect, it } from '@jest/globals';
import { catchUp } from '../../server/catch-up.ts';
import { PLATFORM, setup, START } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';
const REASON = { reason: 'a closer look' };

/** Two servers on one database and repository, of which the second one has heard nothing since it started. */
async function twoServers() {
  const server = await setup();
  const { body } = await server.post(ROLLOUTS, START);
  await server.context.commitPending();
  const other = await server.restart();
  return {
    server,
    other,
    rolloutId: String(body.id),
    pause: () => server.post(`${ROLLOUTS}/${body.id}/pause`, REASON),
    /** The state of the rollout as the other server's polls see it. */
    seen: () => other.fleet.currentRollouts(PLATFORM)?.map(({ state }) => state),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

describe('catchUp', () => {
  it('puts in force what another server accepted, before it is committed', async () => {
    await using pair = await twoServers();
    await pair.pause();
    expect(pair.seen()).toEqual(['running']);
    await catchUp(pair.other);
    expect(pair.seen()).toEqual(['paused']);
    expect(pair.other.fleet.view.pending).toHaveLength(1);
  });

  it('takes over the manifest before a verb leaves the memory', async () => {
    await using pair = await twoServers();
    await pair.pause();
    await catchUp(pair.other);
    await pair.server.context.commitPending();
    pair.server.outages.storage.isAway = true;
    await expect(catchUp(pair.other)).rejects.toMatchObject({ code: 'storage/unavailable' });
    expect(pair.seen()).toEqual(['paused']);
    pair.server.outages.storage.isAway = false;
    await catchUp(pair.other);
    expect(pair.seen()).toEqual(['paused']);
    expect(pair.other.fleet.view.pending).toEqual([]);
  });

  it('follows the repository while the database is away, and says that it is', async () => {
    await using pair = await twoServers();
    await pair.pause();
    await pair.server.context.commitPending();
    pair.server.outages.state.isAway = true;
    await expect(catchUp(pair.other)).rejects.toMatchObject({ code: 'state/unavailable' });
    expect(pair.seen()).toEqual(['paused']);
  });

  it('keeps a verb that this server accepts while the outbox is read', async () => {
    await using pair = await twoServers();
    const reading = catchUp(pair.server.context);
    await pair.pause();
    await reading;
    expect((await pair.server.checkIn()).body.reason).toBe('paused');
    expect(pair.server.context.fleet.view.pending).toHaveLength(1);
  });
});

describe('a verb given to a server that has not heard of the others', () => {
  it('is judged by the effect of all before it, and taken once wherever it is repeated', async () => {
    await using pair = await twoServers();
    await pair.pause();
    const order = { rolloutId: pair.rolloutId, by: 'operator', ...REASON };
    const resumed = await pair.other.intake.accept({ ...order, kind: 'resume', requestId: 'r-1' });
    expect(resumed.history.map(({ verb }) => verb)).toEqual(['start', 'pause', 'resume']);
    const [pause] = (await pair.server.state.pendingVerbs()).map(({ id }) => id);
    const again = { ...order, kind: 'pause', requestId: String(pause) } as const;
    const repeated = await pair.other.intake.accept(again);
    expect(repeated.history).toHaveLength(3);
  });

  it('finds a rollout that another server started and committed', async () => {
    await using server = await setup();
    const other = await server.restart();
    const { body } = await server.post(ROLLOUTS, START);
    await server.context.commitPending();
    const paused = await other.intake.accept({
      kind: 'pause',
      rolloutId: body.id,
      requestId: 'r-1',
      by: 'operator',
      ...REASON,
    });
    expect(paused.state).toBe('paused');
  });
});
