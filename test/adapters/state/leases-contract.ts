import { describe, expect, it } from '@jest/globals';
import type { LeaseOrder, State } from '../../../adapters/state/state.ts';
import { at, report } from './samples.ts';

/** The part of the state contract about leases. */
export function describeLeases(state: () => State): void {
  describe('leases', () => {
    const order = (hostId: string, change: Partial<LeaseOrder> = {}): LeaseOrder => ({
      ...{ hostId, limits: [{ key: 'prod', ceiling: 2 }], at: at(0), until: at(100) },
      ...change,
    });
    const holders = async (now = 0) =>
      (await state().leasesAt(at(now))).map(({ hostId, key }) => `${hostId} ${key}`);

    it('are given up to the ceiling, and to nobody beyond it', async () => {
      expect(await state().grantLease(order('a'))).toBe(true);
      expect(await state().grantLease(order('b'))).toBe(true);
      expect(await state().grantLease(order('c'))).toBe(false);
      expect(await holders()).toEqual(['a prod', 'b prod']);
      expect(await state().grantLease(order('d', { limits: [{ key: 'x', ceiling: 0 }] }))).toBe(
        false,
      );
    });

    it('are renewed for who holds one, even when the ceiling is reached or was lowered', async () => {
      await state().grantLease(order('a'));
      await state().grantLease(order('b'));
      const lower = { limits: [{ key: 'prod', ceiling: 1 }], at: at(50), until: at(150) };
      expect(await state().grantLease(order('a', lower))).toBe(true);
      expect(await holders(120)).toEqual(['a prod']);
    });

    it('are free when they expire, in that very millisecond', async () => {
      await state().grantLease(order('a'));
      await state().grantLease(order('b'));
      expect(await state().grantLease(order('c', { at: at(99), until: at(200) }))).toBe(false);
      expect(await state().grantLease(order('c', { at: at(100), until: at(200) }))).toBe(true);
      expect(await holders(100)).toEqual(['c prod']);
    });

    it('that a clock gave which was ahead are shortened when they are asked for by the right one', async () => {
      const early = { limits: [{ key: 'prod', ceiling: 1 }] };
      const ahead = { ...early, at: at(604_800_001), until: at(604_800_101) };
      expect(await state().grantLease(order('a', ahead))).toBe(true);
      expect(await state().grantLease(order('b', early))).toBe(false);
      expect(await state().grantLease(order('a', early))).toBe(true);
      expect(await holders(99)).toEqual(['a prod']);
      expect(await holders(100)).toEqual([]);
    });

    it('are freed by a new report of the host, not by one that comes again', async () => {
      await state().recordReports('a', [report('1')], at(0));
      await state().grantLease(order('a'));
      await state().recordReports('a', [report('1')], at(1));
      expect(await holders()).toEqual(['a prod']);
      await state().recordReports('a', [report('2', { outcome: 'failed' })], at(2));
      expect(await holders()).toEqual([]);
    });

    it('are given of all limits or of none', async () => {
      const limits = [
        { key: 'prod', ceiling: 5 },
        { key: 'rack 1', ceiling: 1 },
      ];
      expect(await state().grantLease(order('a', { limits }))).toBe(true);
      expect(await state().grantLease(order('b', { limits }))).toBe(false);
      expect(await holders()).toEqual(['a prod', 'a rack 1']);
    });

    it('of limits that do not bound the host any more are given back', async () => {
      await state().grantLease(order('a'));
      await state().grantLease(order('a', { limits: [{ key: 'test', ceiling: 1 }] }));
      expect(await holders()).toEqual(['a test']);
    });

    it('are never more than the ceiling, however many ask at once', async () => {
      const asked = await Promise.all(
        Array.from({ length: 500 }, (_, index) =>
          state().grantLease(order(`h${index % 250}`, { limits: [{ key: 'prod', ceiling: 7 }] })),
        ),
      );
      expect(await holders()).toHaveLength(7);
      expect(asked.filter(Boolean).length).toBeLessThanOrEqual(14);
    });
  });
}
