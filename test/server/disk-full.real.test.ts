import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openStorage } from '../../adapters/storage/open.ts';
import { startPostgres } from '../support/postgres.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import type { SmallDisk } from '../support/small-disk.ts';
import {
  expectKept,
  expectPolls,
  readiness,
  reportingHosts,
  startRollout,
  until,
} from './outage-load.ts';
import { serverFolder, startServer } from './running-server.ts';
import type { RunningServer } from './running-server.ts';
import { committedRollouts, publishedRepository } from './setup.ts';

const PAUSED = { decision: 'stay', reason: 'paused' };

const pause = async (server: RunningServer, rolloutId: string) => {
  const body = { requestId: randomUUID(), reason: 'a full disk' };
  return (await server.post(`/api/v1/rollouts/${rolloutId}/pause`, body)).status;
};

/** Fills the disk of the database under load and makes room again; everything must go on by itself. */
async function survive(server: RunningServer, url: string, disk: SmallDisk): Promise<void> {
  const rolloutId = await startRollout(server);
  const acknowledged: string[] = [];
  {
    await using load = reportingHosts(server, rolloutId, 8);
    for (let round = 0; round < 2; round += 1) {
      await load.acknowledgedMore(50);
      await disk.fill();
      await load.refusedMore(50);
      const { status, checks } = await readiness(server);
      expect(status).toBe(503);
      expect(checks.database).toEqual({
        ok: false,
        detail: expect.stringMatching(/^state\/full: .* the disk is full/),
      });
      await expectPolls(server, { decision: 'update', rolloutId });
      await disk.makeRoom();
      await load.acknowledgedMore(50);
      await until(async () => (await readiness(server)).ready);
    }
    expect(new Set(load.refusals)).toEqual(new Set([503]));
    acknowledged.push(...load.acknowledged);
  }
  await expectKept(url, rolloutId, acknowledged);
  expect(await pause(server, rolloutId)).toBe(200);
  await expectPolls(server, PAUSED);
}

describe('a server whose disk runs full under load', () => {
  it('refuses reports that SQLite cannot keep, answers polls, says so, and goes on when there is room', async () => {
    await using disk = await mountSmallDisk({ mebibytes: 16 });
    await using folder = await serverFolder();
    const url = `sqlite:${join(disk.path, 'S/state.db')}`;
    await using server = await startServer(folder, 'never', { state: url, tokenFile: 'token' });
    await survive(server, url, disk);
  });

  it('refuses reports that PostgreSQL cannot keep, answers polls, says so, and goes on when there is room', async () => {
    await using disk = await mountSmallDisk({ mebibytes: 64 });
    const place = join(disk.path, 'tablespace');
    await mkdir(place);
    await using postgres = await startPostgres();
    await using folder = await serverFolder();
    const url = await postgres.newDatabase(place);
    await using server = await startServer(folder, 'never', { state: url, tokenFile: 'token' });
    await survive(server, url, disk);
  });

  it('obeys verbs that the storage has no room for, keeps reports, says so, and commits when there is room', async () => {
    await using disk = await mountSmallDisk({ mebibytes: 4 });
    await using folder = await serverFolder();
    const storageUrl = `file:${join(disk.path, 'R')}`;
    await using storage = await openStorage(storageUrl, { access: 'write', cwd: '/', env: {} });
    await publishedRepository(storage);
    const options = { storage: storageUrl, followInterval: '1 second' };
    await using server = await startServer(folder, 'never', options);
    const rolloutId = await startRollout(server);
    await using load = reportingHosts(server, rolloutId, 8);
    await disk.fill();
    expect(await pause(server, rolloutId)).toBe(200);
    await expectPolls(server, PAUSED);
    await until(async () => !(await readiness(server)).checks.storage.ok);
    // Following goes on, and must not hide it.
    for (let look = 0; look < 20; look += 1) {
      await load.acknowledgedMore(50);
      expect((await readiness(server)).checks).toMatchObject({
        storage: { ok: false, detail: expect.stringMatching(/^failed .*: storage\/full: /) },
        database: { ok: true },
      });
    }
    await disk.makeRoom();
    await until(async () => (await readiness(server)).ready);
    const [rollout] = await committedRollouts(storage);
    expect(rollout?.history.map(({ verb }) => verb)).toEqual(['start', 'pause']);
    expect(load.refusals).toEqual([]);
  });
});
