import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openRepository } from '../../adapters/repository/repository.ts';
import { openState } from '../../adapters/state/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { verifyChain } from '../../core/audit.ts';
import {
  expectKept,
  expectPolls,
  readiness,
  reportingHosts,
  startRollout,
  until,
} from './outage-load.ts';
import { serverFolder, startServer } from './running-server.ts';
import { checkInOf, committedRollouts, NOW } from './setup.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** The other half follows within days: a clock that is believed would let it through. */
const HALF_IN_A_SECOND = `
[[waves]]
start_after = '1 second'
fleet_percentage = 50
[[waves]]
start_after = '2 seconds'
fleet_percentage = 51
[[waves]]
start_after = '1 day'
fleet_percentage = 100
`;

/** Whether a time is one of this test, which takes minutes. */
const isRight = (at: string | Date) => Math.abs(new Date(at).getTime() - NOW.getTime()) < HOUR;

describe('a server whose clock jumps back and forth under load', () => {
  it('goes by the time as it was, signs and writes down nothing else, keeps every report and recovers by itself', async () => {
    await using folder = await serverFolder();
    await using server = await startServer(folder, 'never');
    const rolloutId = await startRollout(server, { policy: HALF_IN_A_SECOND });
    const first = { seed: 0 };
    const last = { seed: 2047 };
    await until(async () => {
      const answer = await server.post('/api/v1/check-in', checkInOf(first));
      return (await answer.text()).includes('"update"');
    });
    const verbs = ['start'];
    const order = async (verb: string) => {
      const body = { requestId: randomUUID(), reason: 'a look at the clock' };
      const answer = await server.post(`/api/v1/rollouts/${rolloutId}/${verb}`, body);
      expect(answer.status).toBe(200);
      verbs.push(verb);
    };
    const acknowledged: string[] = [];
    {
      await using load = reportingHosts(server, rolloutId, 8);
      for (const aheadMs of [3 * HOUR, -3 * HOUR, 30 * YEAR, -69 * YEAR, 2 * DAY]) {
        server.setClockAhead(aheadMs);
        await until(async () => (await readiness(server)).checks.clock.detail.includes('jumped'));
        const { status, checks } = await readiness(server);
        expect(status).toBe(503);
        expect(checks).toMatchObject({
          clock: { ok: false, detail: expect.stringMatching(/^server\/clock: /) },
          database: { ok: true },
          storage: { ok: true },
        });
        await load.acknowledgedMore(50);
        await expectPolls(server, { decision: 'update', rolloutId }, first);
        await expectPolls(server, { decision: 'stay', reason: 'not-yet' }, last);
        await order('pause');
        await expectPolls(server, { decision: 'stay', reason: 'paused' }, first);
        await order('resume');
        server.setClockAhead(0);
        await until(async () => (await readiness(server)).ready);
      }
      expect(load.refusals).toEqual([]);
      acknowledged.push(...load.acknowledged);
    }
    await using storage = await openStorage('file:R', {
      access: 'read',
      cwd: folder.path,
      env: {},
    });
    await until(async () => (await committedRollouts(storage))[0]?.history.length === verbs.length);
    const [rollout] = await committedRollouts(storage);
    expect(rollout?.history.map(({ verb }) => verb)).toEqual(verbs);
    expect(rollout?.history.filter(({ at }) => !isRight(at))).toEqual([]);
    const { timestamp } = await openRepository({ storage, now: () => NOW }).load();
    expect(isRight(new Date(Date.parse(timestamp.expires) - 7 * DAY))).toBe(true);
    const url = `sqlite:${join(folder.path, 'S/state.db')}`;
    await using state = await openState(url, { cwd: '/' });
    const log = await state.auditEntries({ after: 0, limit: 1000 });
    expect(verifyChain(log).kind).toBe('intact');
    expect(log.filter(({ at }) => !isRight(at))).toEqual([]);
    await expectKept(url, rolloutId, acknowledged);
  });
});
