import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { openState } from '../../../adapters/state/open.ts';
import { formatInstant } from '../../../core/instant.ts';
import { Retention } from '../../../server/jobs/retention.ts';
import type { RetentionPolicy } from '../../../server/jobs/retention.ts';
import { KIND, at, host, record, report } from '../../adapters/state/samples.ts';

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
    retention: new Retention({ state, signedHead: () => null, policy, now: () => at(15), log }),
    hosts: async () => (await state.countHosts(KIND))[0]?.hosts,
    reports: async () => (await state.failuresOf('r1', 5000)).length,
    [Symbol.asyncDispose]: () => state[Symbol.asyncDispose](),
  };
}

describe('Retention', () => {
  it('forgets what is older than it should be kept, a page a run', async () => {
    await using kept = await setup({ hostsMs: 10, reportsMs: 10, auditMs: null });
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
    { policy: { hostsMs: null, reportsMs: null, auditMs: null }, left: [1200, 1200] },
    { policy: { hostsMs: 10, reportsMs: null, auditMs: null }, left: [600, 1200] },
    { policy: { hostsMs: null, reportsMs: 10, auditMs: null }, left: [1200, 600] },
  ])('keeps for ever what has no policy: $policy', async ({ policy, left }) => {
    await using kept = await setup(policy);
    for (let run = 0; run < 4; run += 1) await kept.retention.tick();
    expect([await kept.hosts(), await kept.reports()]).toEqual(left);
  });

  describe('of the audit log', () => {
    const DAY = 86_400_000;

    /** A log of an entry a day for a month, kept for a week, and what is left of it on that day. */
    async function keptOn(day: number, signed: number | null) {
      await using state = await openState('sqlite::memory:', { cwd: '/nowhere' });
      for (let index = 0; index < 30; index += 1) {
        const written = { at: formatInstant(at(index * DAY)) };
        await state.enqueueVerb(
          { id: `v${index}`, json: '{}', acceptedAt: at(0) },
          record(`v${index}`, written),
        );
      }
      const [head] = await state.auditEntries({ after: (signed ?? 1) - 1, limit: 1 });
      const retention = new Retention({
        state,
        signedHead: () => (signed === null ? null : (head ?? null)),
        policy: { hostsMs: null, reportsMs: null, auditMs: 7 * DAY },
        now: () => at(day * DAY),
        log: pino({ level: 'silent' }),
      });
      for (let run = 0; run < 3; run += 1) await retention.tick();
      const left = await state.auditEntries({ after: 0, limit: 100 });
      return left.map(({ sequence }) => sequence);
    }

    it('forgets what is older than it should be kept, and says so once', async () => {
      const left = await keptOn(30, 30);
      expect([left.length, left[0], left.at(-1)]).toEqual([8, 24, 31]);
    });

    it('forgets nothing until there is more than a day of it', async () => {
      expect(await keptOn(8, 30)).toHaveLength(30);
    });

    it('forgets nothing behind the head that is signed, and nothing without one', async () => {
      expect((await keptOn(30, 10))[0]).toBe(11);
      expect(await keptOn(30, null)).toHaveLength(30);
    });
  });
});
