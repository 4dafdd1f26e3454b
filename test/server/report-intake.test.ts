import { describe, expect, it } from '@jest/globals';
import { openState } from '../../adapters/state/open.ts';
import { StateError } from '../../adapters/state/state.ts';
import type { HostReport, HostReports } from '../../adapters/state/state.ts';
import { ReportIntake } from '../../server/report-intake.ts';

const AT = new Date('2026-03-01T12:00:00Z');

function reportsOf(hostId: string, change: Partial<HostReport> = {}, count = 1): HostReports {
  const one = { rolloutId: 'r', from: '1.0.0', to: '1.1.0', stage: 'confirm', error: null, at: AT };
  const reports = Array.from({ length: count }, (_, index) => ({
    ...{ ...one, id: `report-${index}`, outcome: 'updated' as const },
    ...change,
  }));
  return { hostId, reports, receivedAt: AT };
}

/** A real database, each of whose commits waits until it is let go. */
async function setup() {
  const state = await openState('sqlite::memory:', { cwd: '/nowhere' });
  const batches: string[][] = [];
  const held: PromiseWithResolvers<void>[] = [];
  const begun: PromiseWithResolvers<void>[] = [Promise.withResolvers()];
  const seen = { isAway: false };
  const intake = new ReportIntake({
    state: {
      recordReportBatch: async (batch) => {
        batches.push(batch.map(({ hostId }) => hostId));
        const gate = Promise.withResolvers<void>();
        held.push(gate);
        begun.at(-1)?.resolve();
        await gate.promise;
        if (seen.isAway) throw new StateError('state/unavailable', 'away');
        return state.recordReportBatch(batch);
      },
    },
  });
  return {
    state,
    seen,
    intake,
    batches,
    /** Waits for the next commit to begin. */
    begun: async () => {
      await begun.at(-1)?.promise;
      begun.push(Promise.withResolvers());
    },
    finish: () => {
      held.shift()?.resolve();
    },
    [Symbol.asyncDispose]: () => state[Symbol.asyncDispose](),
  };
}

describe('ReportIntake', () => {
  it('commits what arrives together at once, and what arrives meanwhile with the next commit', async () => {
    await using test = await setup();
    const { intake, batches, state } = test;
    const first = [intake.record(reportsOf('a')), intake.record(reportsOf('b'))];
    await test.begun();
    const second = [intake.record(reportsOf('c')), intake.record(reportsOf('d'))];
    test.finish();
    await Promise.all(first);
    expect((await state.countsOf('r')).updated).toBe(2);
    await test.begun();
    test.finish();
    await Promise.all(second);
    expect(batches).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect((await state.countsOf('r')).updated).toBe(4);
  });

  it('acknowledges nothing before the commit', async () => {
    await using test = await setup();
    let isAcknowledged = false;
    const recorded = test.intake.record(reportsOf('a')).then(() => {
      isAcknowledged = true;
    });
    await test.begun();
    expect(isAcknowledged).toBe(false);
    test.finish();
    await recorded;
    expect(await test.state.recordReports('a', reportsOf('a').reports, AT)).toBe(0);
  });

  it('keeps the order of one host: of two reports with one id the first stays', async () => {
    await using test = await setup();
    const both = [
      test.intake.record(reportsOf('a', { outcome: 'failed' })),
      test.intake.record(reportsOf('a', { outcome: 'updated' })),
    ];
    await test.begun();
    test.finish();
    await Promise.all(both);
    expect(await test.state.countsOf('r')).toMatchObject({ failed: 1, updated: 0 });
  });

  it('refuses the reports that cannot be kept to their host alone', async () => {
    await using test = await setup();
    const { intake, state, begun, finish } = test;
    const broken = intake.record(reportsOf('b', { at: new Date(Number.NaN) }));
    const results = Promise.allSettled([
      intake.record(reportsOf('a')),
      broken,
      intake.record(reportsOf('c')),
    ]);
    // The three together, and then each alone.
    for (let commit = 0; commit < 4; commit += 1) {
      await begun();
      finish();
    }
    expect((await results).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect((await state.countsOf('r')).updated).toBe(2);
  });

  it('refuses all while the database is away, and takes them when it is back', async () => {
    await using test = await setup();
    const { intake, seen, begun, finish } = test;
    seen.isAway = true;
    const results = Promise.allSettled(['a', 'b'].map((id) => intake.record(reportsOf(id))));
    await begun();
    finish();
    for (const result of await results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'state/unavailable' } });
    }
    seen.isAway = false;
    const again = intake.record(reportsOf('a'));
    await begun();
    finish();
    await again;
  });

  it('holds no more than 250 reports in one commit, but those of one host in any case', async () => {
    await using test = await setup();
    const { intake, batches, begun, finish } = test;
    const all = Promise.all([
      intake.record(reportsOf('a', {}, 300)),
      intake.record(reportsOf('b', {}, 100)),
      intake.record(reportsOf('c', {}, 150)),
      intake.record(reportsOf('d', {}, 1)),
    ]);
    for (let commit = 0; commit < 3; commit += 1) {
      await begun();
      finish();
    }
    await all;
    expect(batches).toEqual([['a'], ['b', 'c'], ['d']]);
  });
});
