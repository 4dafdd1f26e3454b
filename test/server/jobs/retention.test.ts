import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { openState } from '../../../adapters/state/open.ts';
import { Retention } from '../../../server/jobs/retention.ts';
import type { RetentionPolicy } from '../../../server/jobs/retention.ts';
import { KIND, at, host, report } from '../../adapters/state/samples.ts';

/** A state with 1200 hosts, each with a report: those with even numbers are 10 ms old, the others new. */
async function setup(policy: RetentionPolicy) {
  const state = await openState('sqlite::memory:', { cwd: '/nowhere' });
  const numbers = Array.from({ length: 1200 }, (_, index) => index);
  const seenAt = (index: number) => at(index % 2 === 0 ? 0 : 10);
  await state.touchHosts(numbers.map((i) => host(`h${i}`, { seenAt: seenAt(i) })));
  for (const i of numbers) {
    await state.recordReports(`h${i}`, [report('1', { outcome: 'failed' })], seenAt(i));
  }
  const log = pino({ level: 'silent' });
  return {
    retention: new Retention({ state, policy, now: () => at(15), log }),
    hosts: async () => (await state.countHosts(KIND))[0]?.hosts,
    reports: async () => (await state.failuresOf('r1', 5000)).length,
    [Symbol.asyncDispose]: () => state[Symbol.asyncDispose](),
  };
}

describe('Retention', () => {
  it('forgets what is older than it should be kept, a page a run', async () => {
    await using kept = await setup({ hostsMs: 10, reportsMs: 10 });
    await kept.retention.tick();
    // Of the first 500 in the order of their bytes, 251 have even numbers.
    expect([await kept.hosts(), await kept.reports()]).toEqual([949, 949]);
    await kept.retention.tick();
    await kept.retention.tick();
    expect([await kept.hosts(), await kept.reports()]).toEqual([600, 600]);
    // Once through, it begins again.
    await kept.retention.tick();
    expect([await kept.hosts(), await kept.reports()]).toEqual([600, 600]);
  });

  it.each([
    { policy: { hostsMs: null, reportsMs: null }, left: [1200, 1200] },
    { policy: { hostsMs: 10, reportsMs: null }, left: [600, 1200] },
    { policy: { hostsMs: null, reportsMs: 10 }, left: [1200, 600] },
  ])('keeps for ever what has no policy: $policy', async ({ policy, left }) => {
    await using kept = await setup(policy);
    for (let run = 0; run < 4; run += 1) await kept.retention.tick();
    expect([await kept.hosts(), await kept.reports()]).toEqual(left);
  });
});
