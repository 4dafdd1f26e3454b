import { beforeEach, describe, expect, it } from '@jest/globals';
import type { HostFilter, State } from '../../../adapters/state/state.ts';
import { KIND, at, host, report } from './samples.ts';

const EVERYTHING = { after: null, limit: 1000, scan: 100_000 };

/** The part of the state contract about looking for hosts. */
export function describeHostSearch(state: () => State): void {
  const idsOf = async (filter: HostFilter) =>
    (await state().findHosts(filter, EVERYTHING)).hosts.map(({ id }) => id);

  describe('a search for hosts', () => {
    beforeEach(async () => {
      await state().touchHosts([
        host('a1', { group: 'prod', labels: { zone: 'a', rack: '1' } }),
        host('a2', { group: 'prod', labels: { zone: 'b' }, version: '1.1.0' }),
        host('a3', { group: 'test', labels: { zone: 'a' }, state: 'staged' }),
        host('b1', { variant: 'metal', labels: { zone: 'a' } }),
        host('b2', { arch: 'aarch64', labels: { a: 'zone' } }),
      ]);
      await state().recordOffers(
        ['a1', 'a2', 'b1', 'never-seen'].map((hostId) => ({
          rolloutId: 'r1',
          hostId,
          at: at(0),
        })),
      );
      await state().recordReports('a2', [report('1', { outcome: 'failed' })], at(1));
    });

    it.each<{ case: string; filter: HostFilter; found: readonly string[] }>([
      { case: 'nothing', filter: {}, found: ['a1', 'a2', 'a3', 'b1', 'b2'] },
      { case: 'variant', filter: { variant: 'metal' }, found: ['b1'] },
      { case: 'arch', filter: { arch: 'aarch64' }, found: ['b2'] },
      { case: 'variant and arch', filter: KIND, found: ['a1', 'a2', 'a3'] },
      { case: 'version', filter: { version: '1.1.0' }, found: ['a2'] },
      { case: 'all three', filter: { ...KIND, version: '1.0.0' }, found: ['a1', 'a3'] },
      { case: 'group', filter: { group: 'prod' }, found: ['a1', 'a2'] },
      { case: 'state', filter: { state: 'staged' }, found: ['a3'] },
      { case: 'a label', filter: { labels: { zone: 'a' } }, found: ['a1', 'a3', 'b1'] },
      { case: 'two labels', filter: { labels: { zone: 'a', rack: '1' } }, found: ['a1'] },
      { case: 'an inherited name', filter: { labels: { constructor: 'a' } }, found: [] },
      { case: 'a prefix', filter: { idPrefix: 'a' }, found: ['a1', 'a2', 'a3'] },
      { case: 'a prefix and a group', filter: { idPrefix: 'a', group: 'test' }, found: ['a3'] },
      { case: 'a prefix that is an id', filter: { idPrefix: 'b1' }, found: ['b1'] },
      { case: 'a prefix of nobody', filter: { idPrefix: 'ab' }, found: [] },
      { case: 'a rollout', filter: { rollout: { id: 'r1' } }, found: ['a1', 'a2', 'b1'] },
      {
        case: 'a standing in a rollout',
        filter: { rollout: { id: 'r1', progress: 'failed' } },
        found: ['a2'],
      },
      {
        case: 'a rollout, a prefix and a group',
        filter: { rollout: { id: 'r1' }, idPrefix: 'a', group: 'prod' },
        found: ['a1', 'a2'],
      },
      { case: 'another rollout', filter: { rollout: { id: 'r2' } }, found: [] },
    ])('by $case finds those that fit', async ({ filter, found }) => {
      expect(await idsOf(filter)).toEqual(found);
    });

    it('gives pages that hold every host once, and says when there are no more', async () => {
      const page = (after: string | null) =>
        state().findHosts({ labels: { zone: 'a' } }, { ...EVERYTHING, after, limit: 2 });
      const first = await page(null);
      expect([first.hosts.map(({ id }) => id), first.next]).toEqual([['a1', 'a3'], 'a3']);
      const second = await page(first.next);
      expect([second.hosts.map(({ id }) => id), second.next]).toEqual([['b1'], null]);
    });

    it('says that there are no more when the last host fills the page', async () => {
      const { hosts, next } = await state().findHosts({}, { ...EVERYTHING, limit: 5 });
      expect([hosts.length, next]).toEqual([5, null]);
    });

    it('looks at no more hosts than it may, and goes on where it stopped', async () => {
      const filter = { state: 'staged' };
      const first = await state().findHosts(filter, { ...EVERYTHING, scan: 2 });
      expect(first).toEqual({ hosts: [], next: 'a2' });
      const second = await state().findHosts(filter, { ...EVERYTHING, after: 'a2', scan: 2 });
      expect([second.hosts.map(({ id }) => id), second.next]).toEqual([['a3'], 'b1']);
    });

    it('finds the one of 3000 in every kind of search, however far it must look', async () => {
      const id = (index: number) => `n${String(index).padStart(4, '0')}`;
      await state().touchHosts(
        Array.from({ length: 3000 }, (_, index) =>
          host(id(index), index === 2777 ? { group: 'one', version: '2.0.0' } : {}),
        ),
      );
      await state().recordOffers(
        Array.from({ length: 3000 }, (_, index) => ({
          rolloutId: 'r3',
          hostId: id(index),
          at: at(0),
        })),
      );
      expect(await idsOf({ group: 'one' })).toEqual(['n2777']);
      expect(await idsOf({ idPrefix: 'n', group: 'one' })).toEqual(['n2777']);
      expect(await idsOf({ ...KIND, version: '2.0.0' })).toEqual(['n2777']);
      expect(await idsOf({ rollout: { id: 'r3' }, group: 'one' })).toEqual(['n2777']);
      expect(await idsOf({ idPrefix: 'n277' })).toHaveLength(10);
      const { hosts, next } = await state().findHosts({}, { ...EVERYTHING, limit: 1000 });
      expect([hosts.length, next]).toEqual([1000, 'n0994']);
    });
  });
}
