import { describe, expect, it } from '@jest/globals';
import { commitVerbs } from '../../adapters/repository/rollouts.ts';
import type { Context } from '../../server/context.ts';
import { breakable } from './breakable.ts';
import { openPatient } from '../support/example-repository.ts';
import { NOW, PLATFORM, setup, START } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';
const REASON = { reason: 'a closer look' };

/** Two servers on one database and repository, of which the second one has heard nothing since it started. */
async function twoServers() {
  const server = await setup();
  const { body } = await server.post(ROLLOUTS, START);
  await server.context.commitPending();
  const { resource: storage, outage } = breakable(server.storage);
  const other = await server.restart({ storage });
  const give = async (verb: string) => {
    const { status } = await server.post(`${ROLLOUTS}/${body.id}/${verb}`, REASON);
    expect(status).toBe(200);
  };
  return {
    server,
    other,
    /** Of the storage as the other server reaches it. */
    outage,
    rolloutId: String(body.id),
    give,
    pause: () => give('pause'),
    /** The state of the rollout as the other server's polls see it. */
    seen: () => other.fleet.currentRollouts(PLATFORM)?.map(({ state }) => state),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** What jobs do when there is news. */
async function catchUp({ outbox, link }: Pick<Context, 'outbox' | 'link'>): Promise<void> {
  await outbox.learn();
  await link.follow();
}

describe('a server that catches up with another', () => {
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

  it('follows the repository while the database is away', async () => {
    await using pair = await twoServers();
    await pair.pause();
    await pair.server.context.commitPending();
    pair.server.outages.state.isAway = true;
    await expect(pair.other.outbox.learn()).rejects.toMatchObject({ code: 'state/unavailable' });
    await pair.other.link.follow();
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

describe('a server that hears of verbs and cannot read the repository', () => {
  it('obeys a pause of a rollout whose start was committed meanwhile', async () => {
    await using server = await setup();
    const { resource: storage, outage } = breakable(server.storage);
    const other = await server.restart({ storage });
    outage.isAway = true;
    const { body } = await server.post(ROLLOUTS, START);
    await other.outbox.learn();
    expect(other.fleet.currentRollouts(PLATFORM)).toMatchObject([{ state: 'running' }]);
    await server.context.commitPending();
    await server.post(`${ROLLOUTS}/${body.id}/pause`, REASON);
    await other.outbox.learn();
    expect(other.fleet.currentRollouts(PLATFORM)).toMatchObject([{ state: 'paused' }]);
    outage.isAway = false;
    await other.link.follow();
    expect(other.fleet.currentRollouts(PLATFORM)).toMatchObject([{ state: 'paused' }]);
    expect(other.fleet.view.accepted).toHaveLength(1);
  });

  it('obeys a pause that comes after a pause and a resume, however far those have got', async () => {
    await using pair = await twoServers();
    const { server, other } = pair;
    pair.outage.isAway = true;
    await pair.pause();
    await other.outbox.learn();
    await server.context.commitPending();
    await pair.give('resume');
    await other.outbox.learn();
    expect(pair.seen()).toEqual(['running']);
    await server.context.commitPending();
    await pair.pause();
    await other.outbox.learn();
    expect(pair.seen()).toEqual(['paused']);
  });

  it('obeys a pause that it never saw waiting, because it was committed so fast', async () => {
    await using pair = await twoServers();
    pair.outage.isAway = true;
    await pair.pause();
    await pair.server.context.commitPending();
    await pair.other.outbox.learn();
    expect(pair.seen()).toEqual(['paused']);
    expect(pair.other.fleet.view.pending).toEqual([]);
  });

  it('forgets a verb that was refused', async () => {
    await using pair = await twoServers();
    const { server, rolloutId } = pair;
    pair.outage.isAway = true;
    await pair.pause();
    const verb = { id: 'cli', kind: 'withdraw', rolloutId, at: NOW, by: 'cli', ...REASON } as const;
    const order = { signers: [server.signers.online], verbs: [verb], now: NOW };
    await commitVerbs(openPatient(server.storage), order);
    await pair.other.outbox.learn();
    expect(pair.seen()).toEqual(['paused']);
    await server.context.commitPending();
    await pair.other.outbox.learn();
    expect(pair.other.fleet.view.accepted).toEqual([]);
  });

  it('takes no verb back in that a look which began before it was finished tells of late', async () => {
    await using pair = await twoServers();
    const { server } = pair;
    await pair.pause();
    const late = Promise.withResolvers<void>();
    const look = server.state.verbsBehind.bind(server.state);
    server.state.verbsBehind = async (sequence) => {
      const found = await look(sequence);
      await late.promise;
      return found;
    };
    const looking = server.context.outbox.learn();
    const committing = server.context.commitPending();
    late.resolve();
    await Promise.all([looking, committing]);
    expect(server.context.fleet.view.accepted).toEqual([]);
  });
});

describe('a verb that was refused by a leader that died before it could say so', () => {
  it('is refused by the next leader too, whatever was committed after it', async () => {
    await using pair = await twoServers();
    const { server, other, rolloutId } = pair;
    await pair.pause();
    await server.context.commitPending();
    await pair.give('resume');
    await pair.pause();
    const verb = { id: 'cli', kind: 'resume', rolloutId, at: NOW, by: 'cli', ...REASON } as const;
    const order = { signers: [server.signers.online], verbs: [verb], now: NOW };
    await commitVerbs(openPatient(server.storage), order);
    const { rejected } = await server.context.link.commit(server.context.outbox.next);
    expect(rejected).toHaveLength(1);
    // The other one learns of the commit before anybody tells it what became of the verbs.
    await catchUp(other);
    expect(pair.seen()).toEqual(['paused']);
    await other.commitPending();
    expect(pair.seen()).toEqual(['paused']);
    const verbs = await server.state.recentVerbs(2);
    expect(verbs.map(({ status }) => status.kind)).toEqual(['committed', 'rejected']);
    expect(await server.committed()).toMatchObject([{ state: 'paused' }]);
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

describe('verbs that two servers accept in the same moment', () => {
  it('are committed in the order of acceptance, although the leader knew of its own first', async () => {
    await using pair = await twoServers();
    const { server, other, rolloutId } = pair;
    const enqueue = server.state.enqueueVerb.bind(server.state);
    const order = {
      rolloutId,
      by: 'operator',
      kind: 'pause',
      requestId: 'first',
      ...REASON,
    } as const;
    let isFirst = true;
    server.state.enqueueVerb = async (...args) => {
      if (isFirst) {
        isFirst = false;
        await other.intake.accept(order);
      }
      return enqueue(...args);
    };
    await pair.give('withdraw');
    expect(server.context.fleet.view.pending).toHaveLength(1);
    expect(server.context.outbox.next).toEqual([]);
    await server.context.commitPending();
    const [rollout] = await server.committed();
    expect(rollout?.history.map(({ verb }) => verb)).toEqual(['start', 'pause', 'withdraw']);
  });
});

describe('what a server decides by itself', () => {
  it('is not done when another server accepted a verb for the rollout a moment before', async () => {
    await using pair = await twoServers();
    const { server, other } = pair;
    const [rollout] = other.fleet.view.rollouts;
    if (rollout === undefined) throw new Error('no rollout is seen');
    await pair.pause();
    const evidence = await server.state.countsOf(rollout.id);
    await other.intake.acceptOwn(rollout, { kind: 'halt' }, evidence);
    expect(pair.seen()).toEqual(['paused']);
    expect(await server.state.recentVerbs(10)).toHaveLength(2);
  });
});
