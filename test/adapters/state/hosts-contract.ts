import { describe, expect, it } from '@jest/globals';
import type { State } from '../../../adapters/state/state.ts';
import { KIND, at, host } from './samples.ts';

/** The part of the state contract about hosts. */
export function describeHosts(state: () => State): void {
  describe('hosts', () => {
    it('finds a host as it was seen', async () => {
      const seen = host('h1', {
        group: 'prod',
        labels: { zone: 'a', 'quoted "key"': 'ü' },
        seed: 2047,
        state: 'staged',
      });
      await state().touchHosts([seen]);
      const { seenAt, ...described } = seen;
      expect(await state().findHost('h1')).toEqual({
        ...described,
        firstSeen: seenAt,
        lastSeen: seenAt,
      });
      expect(await state().findHost('h2')).toBeNull();
    });

    it('takes an empty batch', async () => {
      await state().touchHosts([]);
      await state().recordOffers([]);
      expect(await state().recordReports('h1', [], at(0))).toBe(0);
      expect(await state().countHosts(KIND)).toEqual([]);
    });

    it('replaces everything but the first sighting when a host is seen again', async () => {
      await state().touchHosts([host('h1', { group: 'test', labels: { a: '1' } })]);
      const again = host('h1', {
        variant: 'metal',
        arch: 'aarch64',
        version: '1.1.0',
        seed: 9,
        labels: { b: '2' },
        state: 'ready',
        seenAt: at(5),
      });
      await state().touchHosts([again]);
      const { seenAt, ...described } = again;
      expect(await state().findHost('h1')).toEqual({
        ...described,
        firstSeen: at(0),
        lastSeen: seenAt,
      });
    });

    it('ignores a sighting that is older than the known one', async () => {
      await state().touchHosts([host('h1', { version: '1.1.0', seenAt: at(10) })]);
      await state().touchHosts([host('h1', { version: '1.0.0', seenAt: at(9) })]);
      expect(await state().findHost('h1')).toMatchObject({ version: '1.1.0', lastSeen: at(10) });
    });

    it('takes a sighting that is older by more than a day for the right one: the clock was ahead', async () => {
      const dayMs = 86_400_000;
      await state().touchHosts([host('h1', { version: '1.0.0', seenAt: at(dayMs + 5) })]);
      await state().touchHosts([host('h1', { version: '1.1.0', seenAt: at(5) })]);
      expect(await state().findHost('h1')).toMatchObject({ version: '1.0.0' });
      await state().touchHosts([host('h1', { version: '1.1.0', seenAt: at(4) })]);
      expect(await state().findHost('h1')).toMatchObject({ version: '1.1.0', lastSeen: at(4) });
    });

    it('keeps the latest of several sightings of a host in one batch', async () => {
      await state().touchHosts([
        host('h1', { version: '1.1.0', seenAt: at(2) }),
        host('h1', { version: '1.2.0', seenAt: at(3) }),
        host('h1', { version: '1.0.0', seenAt: at(1) }),
      ]);
      expect(await state().findHost('h1')).toMatchObject({ version: '1.2.0', lastSeen: at(3) });
    });

    it('counts hosts by version, of one variant and arch only', async () => {
      await state().touchHosts([
        host('h1'),
        host('h2', { version: '1.1.0' }),
        host('h3', { version: '1.1.0' }),
        host('h4', { arch: 'aarch64' }),
        host('h5', { variant: 'metal' }),
      ]);
      const versions = await state().countHosts(KIND);
      expect(versions.toSorted((a, b) => a.hosts - b.hosts)).toEqual([
        { version: '1.0.0', hosts: 1 },
        { version: '1.1.0', hosts: 2 },
      ]);
    });

    it('counts a host where it is now: moved, seen late, of another variant, or forgotten', async () => {
      await state().touchHosts(['h1', 'h2', 'h3'].map((id) => host(id, { seenAt: at(5) })));
      await state().touchHosts([
        host('h1', { version: '1.1.0', seenAt: at(6) }),
        host('h2', { version: '1.1.0', seenAt: at(4) }),
        host('h3', { variant: 'metal', seenAt: at(6) }),
      ]);
      await state().touchHosts([host('h1', { version: '1.1.0', seenAt: at(7) })]);
      const sorted = async (kind: typeof KIND) =>
        (await state().countHosts(kind)).toSorted((a, b) => (a.version < b.version ? -1 : 1));
      const one = (version: string) => ({ version, hosts: 1 });
      expect(await sorted(KIND)).toEqual([one('1.0.0'), one('1.1.0')]);
      expect(await sorted({ ...KIND, variant: 'metal' })).toEqual([one('1.0.0')]);
      await state().forgetHosts(at(6), { after: null, limit: 10 });
      expect(await sorted(KIND)).toEqual([one('1.1.0')]);
    });

    it('pages through the hosts of one variant and arch', async () => {
      const ids = ['a', 'b', 'c', 'd', 'e'];
      await state().touchHosts([
        ...ids.toReversed().map((id) => host(id)),
        host('bb', { variant: 'metal' }),
        host('cc', { arch: 'aarch64' }),
      ]);
      const first = await state().hostsOf(KIND, { after: null, limit: 2 });
      const second = await state().hostsOf(KIND, { after: 'b', limit: 2 });
      const third = await state().hostsOf(KIND, { after: 'd', limit: 2 });
      expect([first, second, third].map((page) => page.map(({ id }) => id))).toEqual([
        ['a', 'b'],
        ['c', 'd'],
        ['e'],
      ]);
    });

    it('remembers 10,000 hosts twice within 10 seconds and answers in between', async () => {
      const hosts = Array.from({ length: 10_000 }, (_, index) => host(`h${index}`));
      let turns = 0;
      const timer = setInterval(() => (turns += 1), 1);
      const startedAt = performance.now();
      await state().touchHosts(hosts);
      await state().touchHosts(hosts.map((seen) => ({ ...seen, version: '2.0.0', seenAt: at(1) })));
      const tookMs = performance.now() - startedAt;
      clearInterval(timer);
      expect(await state().countHosts(KIND)).toEqual([{ version: '2.0.0', hosts: 10_000 }]);
      expect(tookMs).toBeLessThan(10_000);
      expect(turns).toBeGreaterThan(5);
    });
  });
}
