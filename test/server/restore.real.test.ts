import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openState } from '../../adapters/state/open.ts';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { verifyChain } from '../../core/audit.ts';
import { makeWorkplace } from '../support/cli.ts';
import { objectsOf } from '../support/objects-of.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Postgres } from '../support/postgres.ts';
import { HALF_AT_ONCE, NOW, reportOf, setup, START } from './setup.ts';

const ROLLOUTS = '/api/v1/rollouts';
const LATER = new Date(NOW.getTime() + 60_000);
const REASON = { reason: 'a closer look' };

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

/** A server with its database in a real engine, and a way to start another one from its backup. */
async function backedUp(engine: string) {
  await using made = new AsyncDisposableStack();
  const place = made.use(await makeWorkplace());
  const newUrl = async (name: string) =>
    engine === 'sqlite' ? `sqlite:${name}/state.db` : postgres.newDatabase();
  const url = await newUrl('first');
  const state = made.use(await openState(url, { cwd: place.folder }));
  const server = made.use(await setup({ state, now: () => LATER }));
  const { body } = await server.post(ROLLOUTS, START);
  await server.context.commitPending();
  const resources = made.move();
  const rolloutId = String(body.id);
  const report = async (id: string, to = server) => {
    const reports = [reportOf({ rolloutId, at: LATER.toISOString() })];
    const { status } = await to.checkIn({ id }, { reports });
    expect(status).toBe(200);
  };
  return {
    server,
    rolloutId,
    report,
    rollout: (verb: string) => server.post(`${ROLLOUTS}/${rolloutId}/${verb}`, REASON),
    exclude: (host: string) =>
      server.put('/api/v1/fleet', { rules: { excludes: { [host]: 'new disk' } } }),
    /** While the server runs. */
    backUp: async () => {
      const lines = await place.must('state', 'export', '--state', url);
      await writeFile(join(place.folder, 'backup.jsonl'), `${lines}\n`);
    },
    restore: async () => {
      const fresh = await newUrl('second');
      await place.must('state', 'import', '--state', fresh, 'backup.jsonl');
      const restored = resources.use(await openState(fresh, { cwd: place.folder }));
      const parts = { storage: server.storage, state: restored, now: () => LATER };
      return { ...resources.use(await setup(parts)), state: restored };
    },
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

async function idsOf({ state }: Pick<Awaited<ReturnType<typeof setup>>, 'state'>, rollout: string) {
  const reports = await state.failuresOf(rollout, 1000);
  return reports.map(({ hostId }) => hostId).toSorted();
}

describe.each(['sqlite', 'postgres'])(
  'a database in %s that is restored from a backup',
  (engine) => {
    it('holds all that was acknowledged before, and takes what came after when it is sent again', async () => {
      await using fleet = await backedUp(engine);
      const before = Array.from({ length: 30 }, (_, index) => `h${index + 10}`);
      for (const id of before) await fleet.report(id);
      await fleet.server.context.writeBehind.flush();
      await fleet.backUp();
      await fleet.report('after');
      const restored = await fleet.restore();
      expect(await idsOf(restored, fleet.rolloutId)).toEqual(before);
      expect((await restored.state.findHost('h10'))?.version).toBe('1.0.0');
      expect(await restored.state.findHost('after')).toBeNull();
      for (const id of ['h10', 'after', 'after']) await fleet.report(id, restored);
      expect(await idsOf(restored, fleet.rolloutId)).toEqual(['after', ...before]);
      expect((await restored.state.countsOf(fleet.rolloutId)).failed).toBe(before.length + 1);
    });

    it('does not bring back a verb that was overtaken after the backup', async () => {
      await using fleet = await backedUp(engine);
      await fleet.rollout('pause');
      await fleet.exclude('host-1');
      await fleet.backUp();
      await fleet.server.context.commitPending();
      await fleet.rollout('resume');
      await fleet.exclude('host-2');
      await fleet.server.context.commitPending();
      const published = await fleet.server.committed();
      const restored = await fleet.restore();
      expect(restored.context.fleet.view.pending).toHaveLength(2);
      const obeyed = async () => {
        const { rollouts, fleet: rules } = restored.context.fleet.view;
        expect(rollouts).toEqual(published);
        expect([...rules.rules.excludes.keys()]).toEqual(['host-2']);
        expect((await restored.checkIn({ id: 'host-1' })).body.decision).toBe('update');
        expect((await restored.checkIn({ id: 'host-2' })).body.reason).toBe('excluded');
      };
      await obeyed();
      await restored.context.commitPending();
      await obeyed();
      expect(await restored.state.pendingVerbs()).toEqual([]);
      expect(await fleet.server.committed()).toEqual(published);
    });

    it('loses of the verbs after the backup only those that were not committed', async () => {
      await using fleet = await backedUp(engine);
      await fleet.backUp();
      await fleet.rollout('pause');
      await fleet.server.context.commitPending();
      await fleet.rollout('withdraw');
      const restored = await fleet.restore();
      expect(restored.context.fleet.view.rollouts).toMatchObject([{ state: 'paused' }]);
      expect((await restored.checkIn()).body.reason).toBe('paused');
      const log = await restored.state.auditEntries({ after: 0, limit: 100 });
      expect(log.at(-1)).toMatchObject({ verb: 'pause', event: 'found' });
      const signed = restored.context.fleet.view.published.auditHead;
      if (signed === null) throw new Error('the server signs a head');
      const behind = log.filter(({ sequence }) => sequence > signed.sequence);
      expect(verifyChain(behind, { from: signed }).kind).toBe('intact');
      expect(verifyChain(log)).toMatchObject({ fault: 'removed' });
    });
  },
);

describe('a repository that is restored to a time before the database', () => {
  const HALTING = `[halt]\nfailed_percentage = 50\nminimum = 2\n${HALF_AT_ONCE}`;

  it('has its rollout halted again by the failures that are known', async () => {
    await using server = await setup({ now: () => LATER });
    const { body } = await server.post(ROLLOUTS, { ...START, policy: HALTING });
    await server.context.commitPending();
    const mirror = createMemoryStorage(Object.entries(await objectsOf(server.storage)));
    const reports = [reportOf({ rolloutId: body.id, at: LATER.toISOString() })];
    for (const id of ['a', 'b']) await server.checkIn({ id }, { reports });
    await server.context.judge();
    await server.context.commitPending();
    expect(await server.committed()).toMatchObject([{ state: 'halted' }]);
    for (let time = 0; time < 2; time += 1) {
      const copy = createMemoryStorage(Object.entries(await objectsOf(mirror)));
      await using restored = await setup({ storage: copy, state: server.state, now: () => LATER });
      expect(restored.context.fleet.view.rollouts).toMatchObject([{ state: 'running' }]);
      await restored.context.judge();
      expect((await restored.checkIn({ id: 'c' })).body.reason).toBe('halted');
      await restored.context.commitPending();
      await restored.context.judge();
      expect(restored.context.fleet.view.rollouts[0]?.history).toHaveLength(2);
    }
  });
});
