import { describe, expect, it } from '@jest/globals';
import type { State, SweepPage, SweepPlace, Swept } from '../../../adapters/state/state.ts';
import { KIND, at, counts, host, report } from './samples.ts';

/** The part of the state contract about what is forgotten. */
export function describeRetention(state: () => State): void {
  describe('retention', () => {
    it('forgets the hosts that were not seen since, over pages, and keeps what they did', async () => {
      const ids = Array.from({ length: 25 }, (_, index) => `h${index}`);
      const isOld = (index: number) => index % 3 === 0;
      await state().touchHosts(ids.map((id, i) => host(id, { seenAt: at(isOld(i) ? 9 : 10) })));
      await state().recordReports('h0', [report('1', { outcome: 'failed' })], at(0));
      const { forgotten, pages } = await sweep((page) => state().forgetHosts(at(10), page), 10);
      expect([forgotten, pages]).toEqual([9, 3]);
      const left = await state().hostsOf(KIND, { after: null, limit: 100 });
      expect(left.map(({ id }) => id)).toEqual(ids.filter((_, i) => !isOld(i)).toSorted());
      expect(await state().countsOf('r1')).toEqual(counts({ failed: 1 }));
      expect(await state().failuresOf('r1', 10)).toHaveLength(1);
      expect(await sweep((page) => state().forgetHosts(at(10), page), 10)).toMatchObject({
        forgotten: 0,
      });
    });

    it('takes a forgotten host that comes back for a new one', async () => {
      await state().touchHosts([host('h1', { seenAt: at(0) })]);
      await state().forgetHosts(at(5), { after: null, limit: 10 });
      expect(await state().findHost('h1')).toBeNull();
      await state().touchHosts([host('h1', { seenAt: at(7) })]);
      expect(await state().findHost('h1')).toMatchObject({ firstSeen: at(7) });
    });

    it('forgets the reports that were received before, over pages, and keeps the counts', async () => {
      for (let index = 0; index < 12; index += 1) {
        const failed = ['1', '2', '3'].map((id) => report(id, { outcome: 'failed' }));
        await state().recordReports(`h${index % 4}-${index}`, failed, at(index));
      }
      const { forgotten, pages } = await sweep((page) => state().forgetReports(at(6), page), 5);
      expect([forgotten, pages]).toEqual([18, 8]);
      const left = await state().failuresOf('r1', 100);
      expect(left).toHaveLength(18);
      expect(left.every(({ receivedAt }) => receivedAt >= at(6))).toBe(true);
      expect(await state().countsOf('r1')).toEqual(counts({ failed: 12 }));
    });

    it('counts no host twice when a forgotten report comes again', async () => {
      const sent = report('1', { outcome: 'failed' });
      await state().recordReports('h1', [sent], at(0));
      await state().forgetReports(at(5), { after: null, limit: 10 });
      expect(await state().failuresOf('r1', 10)).toEqual([]);
      expect(await state().recordReports('h1', [sent], at(7))).toBe(1);
      expect(await state().countsOf('r1')).toEqual(counts({ failed: 1 }));
    });
  });
}

/** Sweeps to the end, `limit` rows a page. */
async function sweep(forget: (page: SweepPage) => Promise<Swept>, limit: number) {
  let forgotten = 0;
  let pages = 0;
  let after: SweepPlace | null = null;
  do {
    const swept: Swept = await forget({ after, limit });
    forgotten += swept.forgotten;
    pages += 1;
    after = swept.next;
  } while (after !== null);
  return { forgotten, pages };
}
