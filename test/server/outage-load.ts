import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { z } from 'zod';
import { openState } from '../../adapters/state/open.ts';
import type { Readiness } from '../../server/readiness.ts';
import { readinessSchema } from '../../server/readiness.ts';
import type { RunningServer } from './running-server.ts';
import { checkInOf, reportOf, START } from './setup.ts';

const CHECK_IN = '/api/v1/check-in';

/** What `/readyz` says. */
export async function readiness(
  server: RunningServer,
): Promise<Readiness & { readonly status: number }> {
  const answer = await server.get('/readyz');
  return { status: answer.status, ...readinessSchema.parse(await answer.json()) };
}

/** Starts the rollout of release 1.1.0, to everyone by default, and waits until nothing is wrong; returns its id. */
export async function startRollout(server: RunningServer, change: object = {}): Promise<string> {
  const order = { ...START, requestId: 'start-request', ...change };
  const started = await server.post('/api/v1/rollouts', order);
  const { id } = z.object({ id: z.string() }).parse(await started.json());
  await until(async () => (await readiness(server)).ready);
  return id;
}

/** Hosts that report one failure after the other, each until it is acknowledged, as agents do. */
export function reportingHosts(server: RunningServer, rolloutId: string, hosts: number) {
  const over = new AbortController();
  const acknowledged: string[] = [];
  const refusals: number[] = [];
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
        refusals.push(answer.status);
      }
      await nextTurn();
    }
  });
  return {
    acknowledged,
    refusals,
    /** Resolves when so many more reports were acknowledged. */
    acknowledgedMore: async (count: number) => {
      const before = acknowledged.length;
      await until(() => acknowledged.length >= before + count);
    },
    /** Resolves when so many more were refused. */
    refusedMore: async (count: number) => {
      const before = refusals.length;
      await until(() => refusals.length >= before + count);
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await Promise.all(running);
    },
  };
}

/** Polls of 50 hosts; each must get this decision. */
export async function expectPolls(
  server: RunningServer,
  decision: object,
  host: object = {},
): Promise<void> {
  for (let poll = 0; poll < 50; poll += 1) {
    const answer = await server.post(CHECK_IN, checkInOf({ id: `poller-${poll}`, ...host }));
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject(decision);
  }
}

/** Each acknowledged report is in the database, and each report there once. */
export async function expectKept(
  url: string,
  rolloutId: string,
  acknowledged: readonly string[],
): Promise<void> {
  await using state = await openState(url, { cwd: '/' });
  const kept = await state.failuresOf(rolloutId, 1_000_000);
  const ids = new Set(kept.map(({ hostId, id }) => `${hostId}/${id}`));
  expect(acknowledged.filter((one) => !ids.has(one))).toEqual([]);
  expect(ids.size).toBe(kept.length);
  // Those who only polled meanwhile were remembered until they could be written.
  await until(async () => (await state.findHost('poller-49')) !== null);
  const reporters = new Set(acknowledged.map((one) => one.split('/')[0]));
  expect((await state.countsOf(rolloutId)).failed).toBe(reporters.size);
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await nextTurn();
}
