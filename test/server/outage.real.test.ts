import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { openState } from '../../adapters/state/open.ts';
import { startPostgres } from '../support/postgres.ts';
import { serverFolder, startServer } from './running-server.ts';
import type { RunningServer } from './running-server.ts';
import { checkInOf, reportOf, START } from './setup.ts';

const CHECK_IN = '/api/v1/check-in';
const readySchema = z.object({
  ready: z.boolean(),
  checks: z.object({ database: z.object({ ok: z.boolean(), detail: z.string() }) }),
});

async function readiness(server: RunningServer) {
  const answer = await server.get('/readyz');
  return { status: answer.status, ...readySchema.parse(await answer.json()) };
}

/** Hosts that report one failure after the other, each until it is acknowledged, as agents do. */
function reportingHosts(server: RunningServer, rolloutId: string, hosts: number) {
  const over = new AbortController();
  const acknowledged: string[] = [];
  const refusals = new Set<number>();
  const running = Array.from({ length: hosts }, async (_, number) => {
    const id = `reporter-${number}`;
    for (let index = 0; !over.signal.aborted;) {
      const report = reportOf({ id: `${index}`, rolloutId });
      const answer = await server.post(CHECK_IN, { ...checkInOf({ id }), reports: [report] });
      await answer.arrayBuffer();
      if (answer.status === 200) {
        acknowledged.push(`${id}/${index}`);
        index += 1;
      } else {
        refusals.add(answer.status);
      }
      await nextTurn();
    }
  });
  return {
    acknowledged,
    refusals,
    async [Symbol.asyncDispose]() {
      over.abort();
      await Promise.all(running);
    },
  };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await nextTurn();
}

describe('a server whose PostgreSQL database goes away under load', () => {
  it('answers polls from memory, says what is wrong, loses no acknowledged report and recovers by itself', async () => {
    await using postgres = await startPostgres();
    await using folder = await serverFolder();
    const url = await postgres.newDatabase();
    await using server = await startServer(folder, 'never', { state: url, tokenFile: 'token' });
    const started = await server.post('/api/v1/rollouts', { ...START, requestId: 'start-request' });
    const { id: rolloutId } = z.object({ id: z.string() }).parse(await started.json());
    await until(async () => (await readiness(server)).ready);
    const acknowledged: string[] = [];
    {
      await using load = reportingHosts(server, rolloutId, 8);
      for (const goAway of [() => postgres.stop(), () => postgres.crash()]) {
        const before = load.acknowledged.length;
        await until(() => load.acknowledged.length >= before + 50);
        await goAway();
        const away = await readiness(server);
        expect(away).toMatchObject({ status: 503, ready: false });
        expect(away.checks.database).toMatchObject({
          ok: false,
          detail: expect.stringMatching(/^state\/unavailable: postgres:/),
        });
        for (let poll = 0; poll < 50; poll += 1) {
          const answer = await server.post(CHECK_IN, checkInOf({ id: `poller-${poll}` }));
          expect(answer.status).toBe(200);
          expect(await answer.json()).toMatchObject({ decision: 'update', rolloutId });
        }
        await until(() => load.refusals.size > 0);
        await postgres.start();
        const back = load.acknowledged.length;
        await until(() => load.acknowledged.length >= back + 50);
        await until(async () => (await readiness(server)).ready);
      }
      expect([...load.refusals]).toEqual([503]);
      acknowledged.push(...load.acknowledged);
    }
    await using state = await openState(url, { cwd: '/' });
    const kept = await state.failuresOf(rolloutId, 1_000_000);
    const ids = new Set(kept.map(({ hostId, id }) => `${hostId}/${id}`));
    expect(acknowledged.filter((one) => !ids.has(one))).toEqual([]);
    expect(ids.size).toBe(kept.length);
    // Those who only polled while it was away were remembered until it was back.
    await until(async () => (await state.findHost('poller-49')) !== null);
    expect((await state.countsOf(rolloutId)).failed).toBe(8);
  });
});
