import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { openS3Storage } from '../../adapters/storage/s3.ts';
import { startPostgres } from '../support/postgres.ts';
import { startVersitygw } from '../support/versitygw.ts';
import {
  expectKept,
  expectPolls,
  readiness,
  reportingHosts,
  startRollout,
  until,
} from './outage-load.ts';
import { serverFolder, startServer } from './running-server.ts';
import { committedRollouts, publishedRepository } from './setup.ts';

const DATABASE_AWAY = {
  ok: false,
  detail: expect.stringMatching(/^state\/unavailable: postgres:/),
};
const STORAGE_AWAY = {
  ok: false,
  detail: expect.stringMatching(/^failed .*: storage\/unavailable: /),
};

describe('a server whose PostgreSQL database goes away under load', () => {
  it('answers polls from memory, says what is wrong, loses no acknowledged report and recovers by itself', async () => {
    await using postgres = await startPostgres();
    await using folder = await serverFolder();
    const url = await postgres.newDatabase();
    await using server = await startServer(folder, 'never', { state: url, tokenFile: 'token' });
    const rolloutId = await startRollout(server);
    const acknowledged: string[] = [];
    {
      await using load = reportingHosts(server, rolloutId, 8);
      for (const goAway of [() => postgres.stop(), () => postgres.crash()]) {
        await load.acknowledgedMore(50);
        await goAway();
        const away = await readiness(server);
        expect(away).toMatchObject({ status: 503, checks: { database: DATABASE_AWAY } });
        await expectPolls(server, { decision: 'update', rolloutId });
        await load.refusedMore(1);
        await postgres.start();
        await load.acknowledgedMore(50);
        await until(async () => (await readiness(server)).ready);
      }
      expect(new Set(load.refusals)).toEqual(new Set([503]));
      acknowledged.push(...load.acknowledged);
    }
    await expectKept(url, rolloutId, acknowledged);
  });
});

describe('a server whose S3 store goes away under load, and then its PostgreSQL database as well', () => {
  it('obeys verbs while it has its database, answers polls without either, and makes up for all whichever is back first', async () => {
    await using postgres = await startPostgres();
    await using gateway = await startVersitygw();
    await using folder = await serverFolder();
    const storageUrl = gateway.storageUrl('served');
    await using storage = await openS3Storage({
      url: storageUrl,
      access: 'write',
      env: gateway.env,
    });
    await publishedRepository(storage);
    const url = await postgres.newDatabase();
    const options = { state: url, tokenFile: 'token', storage: storageUrl };
    await using server = await startServer(
      folder,
      'never',
      { ...options, followInterval: '1 second' },
      gateway.env,
    );
    const rolloutId = await startRollout(server);
    const order = async (verb: string) => {
      const body = { requestId: randomUUID(), reason: 'an outage' };
      const { status } = await server.post(`/api/v1/rollouts/${rolloutId}/${verb}`, body);
      if (status === 200) verbs.push(verb);
      return status;
    };
    const verbs = ['start'];
    const acknowledged: string[] = [];
    const update = { decision: 'update', rolloutId };
    const comeBack = [() => postgres.start(), () => gateway.start()];
    {
      await using load = reportingHosts(server, rolloutId, 8);
      for (const inOrder of [comeBack, comeBack.toReversed()]) {
        await load.acknowledgedMore(50);
        await gateway.kill();
        await until(async () => !(await readiness(server)).checks.storage.ok);
        const { status, checks } = await readiness(server);
        expect(status).toBe(503);
        expect(checks).toMatchObject({ storage: STORAGE_AWAY, database: { ok: true } });
        await expectPolls(server, update);
        expect(await order('pause')).toBe(200);
        await expectPolls(server, { decision: 'stay', reason: 'paused' });
        expect(await order('resume')).toBe(200);
        const refusedBefore = load.refusals.length;
        await load.acknowledgedMore(50);
        expect(load.refusals.length).toBe(refusedBefore);

        await postgres.crash();
        expect((await readiness(server)).checks).toMatchObject({
          storage: STORAGE_AWAY,
          database: DATABASE_AWAY,
        });
        await expectPolls(server, update);
        await load.refusedMore(8);
        expect(await order('pause')).toBe(503);
        await expectPolls(server, update);

        for (const start of inOrder) await start();
        await load.acknowledgedMore(50);
        const committed = async () => {
          const [rollout] = await committedRollouts(storage);
          return rollout?.history.map(({ verb }) => verb) ?? [];
        };
        await until(async () => (await committed()).length >= verbs.length);
        expect(await committed()).toEqual(verbs);
        await until(async () => (await readiness(server)).ready);
      }
      expect(new Set(load.refusals)).toEqual(new Set([503]));
      acknowledged.push(...load.acknowledged);
    }
    await expectKept(url, rolloutId, acknowledged);
  });
});
