import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openState } from '../../adapters/state/open.ts';
import { makeWorkplace } from '../support/cli.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Postgres } from '../support/postgres.ts';
import { expectPolls, readiness, reportingHosts, startRollout } from './outage-load.ts';
import { serverFolder, startServer } from './running-server.ts';

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

async function urlOf(engine: string, folder: string, name: string): Promise<string> {
  return engine === 'sqlite' ? `sqlite:${join(folder, name)}.db` : postgres.newDatabase();
}

describe('a fleet that moves to another engine', () => {
  it.each([
    { from: 'sqlite', to: 'postgres' },
    { from: 'postgres', to: 'sqlite' },
  ])(
    'is served from $from while the state is exported, and from $to without loss afterwards',
    async ({ from, to }) => {
      await using folder = await serverFolder();
      await using place = await makeWorkplace();
      const [source, target] = [
        await urlOf(from, folder.path, 'source'),
        await urlOf(to, folder.path, 'target'),
      ];
      const update = { decision: 'update' };
      let rolloutId = '';
      let before: readonly string[] = [];
      {
        const options = { state: source, tokenFile: 'token' };
        await using server = await startServer(folder, 'never', options);
        rolloutId = await startRollout(server);
        await using load = reportingHosts(server, rolloutId, 4);
        await load.acknowledgedMore(200);
        before = [...load.acknowledged];
        const exporting = place.run('state', 'export', '--state', source);
        await expectPolls(server, { ...update, rolloutId });
        const { code, stdout } = await exporting;
        expect(code).toBe(0);
        await load.acknowledgedMore(10);
        expect(load.refusals).toEqual([]);
        expect((await readiness(server)).ready).toBe(true);
        await writeFile(join(place.folder, 'state.jsonl'), stdout);
      }
      await place.must('state', 'import', '--state', target, 'state.jsonl');
      const moved = { state: target, tokenFile: 'token' };
      await using server = await startServer(folder, 'never', moved);
      await expectPolls(server, { ...update, rolloutId });
      await using state = await openState(target, { cwd: '/' });
      const kept = await state.failuresOf(rolloutId, 1_000_000);
      const ids = new Set(kept.map(({ hostId, id }) => `${hostId}/${id}`));
      expect(before.filter((one) => !ids.has(one))).toEqual([]);
      expect(await state.countsOf(rolloutId)).toMatchObject({ failed: 4, updated: 0 });
      expect(await state.recentVerbs(10)).toMatchObject([{ status: { kind: 'committed' } }]);
    },
  );
});
