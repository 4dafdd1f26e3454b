import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { State } from '../../../adapters/state/state.ts';
import { verifyChain } from '../../../core/audit.ts';
import { describeHostSearch } from './host-search-contract.ts';
import { describeHosts } from './hosts-contract.ts';
import { describeRetention } from './retention-contract.ts';
import { describeReports } from './reports-contract.ts';
import { describeAudit } from './audit-contract.ts';
import { describeLeases } from './leases-contract.ts';
import { KIND, at, counts, host, record, report } from './samples.ts';
import { describeVerbs } from './verbs-contract.ts';

/** One empty database; every `open` of it is another handle, which the database closes at its own end. */
export type TestDatabase = AsyncDisposable & { open(): Promise<State> };

const STRANGE_IDS = [
  `'; drop table hosts; --`,
  `" or "1"="1`,
  '%',
  '_',
  '\\',
  '?',
  '$1',
  'NULL',
  '0',
  '00',
  ' leading and trailing ',
  'Case',
  'case',
  '\u00e9',
  'e\u0301',
  'line\nbreak',
  '🦊',
  '__proto__',
];

/** What every implementation of State does. `isShared`: two handles see one database, which outlives them. */
export function describeStateContract(
  name: string,
  makeDatabase: () => Promise<TestDatabase>,
  { isShared }: { readonly isShared: boolean },
): void {
  describe(`${name}: the state contract`, () => {
    let database: TestDatabase;
    let state: State;

    beforeEach(async () => {
      database = await makeDatabase();
      state = await database.open();
    });

    afterEach(async () => {
      await database[Symbol.asyncDispose]();
    });

    describeHosts(() => state);
    describeHostSearch(() => state);
    describeReports(() => state);
    describeVerbs(() => state);
    describeAudit(() => state);
    describeLeases(() => state);
    describeRetention(() => state);

    it('stores hostile and lookalike ids verbatim, each as itself', async () => {
      await state.touchHosts(STRANGE_IDS.map((id) => host(id, { labels: { label: id } })));
      for (const id of STRANGE_IDS) {
        await state.recordOffers([{ rolloutId: id, hostId: id, at: at(0) }]);
        await state.recordReports(
          id,
          [report(id, { rolloutId: id, outcome: 'failed', error: id })],
          at(0),
        );
        await state.enqueueVerb({ id, json: id, acceptedAt: at(0) }, record(id));
      }
      for (const id of STRANGE_IDS) {
        expect(await state.findHost(id)).toMatchObject({ id, labels: { label: id } });
        expect(await state.countsOf(id)).toEqual(counts({ failed: 1 }));
        expect(await state.failuresOf(id, 10)).toMatchObject([{ id, hostId: id, error: id }]);
        expect(await state.findVerb(id)).toMatchObject({ id, json: id });
      }
      const all = await state.hostsOf(KIND, { after: null, limit: 100 });
      expect(new Set(all.map(({ id }) => id))).toEqual(new Set(STRANGE_IDS));
      for (const id of STRANGE_IDS) {
        const page = { after: null, limit: 100, scan: 100 };
        const { hosts } = await state.findHosts({ idPrefix: id, labels: { label: id } }, page);
        expect(hosts.map((found) => found.id)).toEqual([id]);
      }
    });

    it('finishes the calls under way when it is disposed, and refuses later ones', async () => {
      const underWay = [
        state.recordReports('h1', [report('1')], at(0)),
        state.recordReports('h2', [report('1')], at(0)),
      ];
      const disposed = state[Symbol.asyncDispose]();
      await expect(state.countsOf('r1')).rejects.toMatchObject({ code: 'state/unavailable' });
      await disposed;
      await state[Symbol.asyncDispose]();
      expect(await Promise.all(underWay)).toEqual([1, 1]);
    });

    if (!isShared) return;

    it('has everything again after it was closed', async () => {
      await state.touchHosts([host('h1')]);
      await state.recordOffers([{ rolloutId: 'r1', hostId: 'h2', at: at(0) }]);
      await state.recordReports('h1', [report('1', { outcome: 'failed' })], at(1));
      await state.enqueueVerb({ id: 'v1', json: '{}', acceptedAt: at(0) }, record('v1'));
      await state.enqueueVerb({ id: 'v2', json: '{}', acceptedAt: at(0) }, record('v2'));
      await state.finishVerb(
        'v1',
        { kind: 'committed' },
        at(2),
        record('v1', { event: 'committed' }),
      );
      const before = await everything(state);
      await state[Symbol.asyncDispose]();

      const again = await database.open();
      expect(await everything(again)).toEqual(before);
      expect(again.instanceId).toBe(state.instanceId);
      expect(await again.recordReports('h1', [report('1')], at(3))).toBe(0);
    });

    it('counts exactly when two handles report and enqueue at the same time', async () => {
      const handles = [state, await database.open()];
      const calls = handles.flatMap((handle, which) =>
        Array.from({ length: 50 }, async (_, index) => {
          await handle.recordOffers([{ rolloutId: 'r1', hostId: `h${index}`, at: at(0) }]);
          await handle.recordReports(`h${index}`, [report(`${which}`)], at(0));
          await handle.recordReports('both', [report(`${index}`)], at(0));
          for (const id of [`v${which}-${index}`, `both-${index}`]) {
            await handle.enqueueVerb({ id, json: '{}', acceptedAt: at(0) }, record(id));
          }
        }),
      );
      await Promise.all(calls);
      expect(await state.countsOf('r1')).toEqual(counts({ updated: 51 }));
      expect((await state.pendingVerbs()).map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: 150 }, (_, index) => index + 1),
      );
      const log = await state.auditEntries({ after: 0, limit: 1000 });
      expect(verifyChain(log)).toMatchObject({ kind: 'intact', head: { sequence: 150 } });
    });
  });
}

async function everything(state: State) {
  return {
    instanceId: state.instanceId,
    hosts: await state.hostsOf(KIND, { after: null, limit: 100 }),
    counts: await state.countsOf('r1'),
    failures: await state.failuresOf('r1', 100),
    pending: await state.pendingVerbs(),
    verbs: await state.recentVerbs(100),
    audit: await state.auditEntries({ after: 0, limit: 100 }),
  };
}
