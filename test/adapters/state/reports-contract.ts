import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { OUTCOMES } from '../../../adapters/state/state.ts';
import type { Offer, Outcome, State } from '../../../adapters/state/state.ts';
import { at, counts, report } from './samples.ts';

/** The part of the state contract about offers, reports and counters. */
export function describeReports(state: () => State): void {
  describe('offers and reports', () => {
    it('counts nothing for a rollout that nobody was offered', async () => {
      expect(await state().countsOf('r1')).toEqual(counts({}));
      expect(await state().failuresOf('r1', 10)).toEqual([]);
    });

    it('counts an offered host once, however often it is offered', async () => {
      const offer: Offer = { rolloutId: 'r1', hostId: 'h1', at: at(0) };
      await state().recordOffers([offer, offer, { ...offer, hostId: 'h2' }]);
      await state().recordOffers([{ ...offer, at: at(5) }]);
      await state().recordOffers([{ ...offer, rolloutId: 'r2' }]);
      expect(await state().countsOf('r1')).toEqual(counts({ offered: 2 }));
      expect(await state().countsOf('r2')).toEqual(counts({ offered: 1 }));
    });

    it.each([
      { outcome: 'updated' as const, expected: { updated: 1 } },
      { outcome: 'failed' as const, expected: { failed: 1 } },
      { outcome: 'rolled-back' as const, expected: { rolledBack: 1 } },
    ])('moves an offered host to $outcome', async ({ outcome, expected }) => {
      await state().recordOffers([{ rolloutId: 'r1', hostId: 'h1', at: at(0) }]);
      expect(await state().recordReports('h1', [report('1', { outcome })], at(1))).toBe(1);
      expect(await state().countsOf('r1')).toEqual(counts(expected));
    });

    it('counts a report that is sent again once', async () => {
      const sent = [report('1'), report('2', { rolloutId: 'r2', outcome: 'failed' })];
      expect(await state().recordReports('h1', [...sent, ...sent], at(1))).toBe(2);
      expect(await state().recordReports('h1', sent, at(2))).toBe(0);
      expect(await state().recordReports('h1', [...sent, report('3')], at(3))).toBe(1);
      expect(await state().countsOf('r1')).toEqual(counts({ updated: 1 }));
      expect(await state().countsOf('r2')).toEqual(counts({ failed: 1 }));
      expect(await state().failuresOf('r2', 10)).toHaveLength(1);
    });

    it('raises what it counted of events to what is known from elsewhere, and lowers nothing', async () => {
      await state().recordReports('h1', [report('1')], at(1));
      await state().raiseEvents('r1', { successes: 0, failures: 4 });
      await state().raiseEvents('r2', { successes: 3, failures: 0 });
      await state().raiseEvents('r2', { successes: 2, failures: 0 });
      await state().recordReports('h2', [report('1', { outcome: 'failed' })], at(2));
      expect(await state().countsOf('r1')).toEqual(
        counts({ updated: 1, failed: 1, successes: 1, failures: 5 }),
      );
      expect(await state().countsOf('r2')).toEqual(counts({ successes: 3 }));
    });

    it('keeps the first content of a report id, and tells hosts with the same ids apart', async () => {
      await state().recordReports('h1', [report('1')], at(1));
      expect(await state().recordReports('h1', [report('1', { outcome: 'failed' })], at(2))).toBe(
        0,
      );
      expect(await state().recordReports('h2', [report('1', { outcome: 'failed' })], at(2))).toBe(
        1,
      );
      expect(await state().countsOf('r1')).toEqual(counts({ updated: 1, failed: 1 }));
    });

    it('lets the latest report by the clock of the host stand, not the last to arrive', async () => {
      const failed = report('1', { outcome: 'failed', at: at(10) });
      const updated = report('2', { outcome: 'updated', at: at(20) });
      await state().recordReports('early', [failed], at(100));
      await state().recordReports('early', [updated], at(101));
      await state().recordReports('late', [updated], at(100));
      await state().recordReports('late', [failed], at(101));
      expect(await state().countsOf('r1')).toEqual(counts({ updated: 2, failures: 1 }));
      expect((await state().failuresOf('r1', 10)).map(({ hostId }) => hostId)).toEqual([
        'late',
        'early',
      ]);
    });

    it('lets an outcome stand against an offer that comes later, whatever the clocks say', async () => {
      await state().recordReports('h1', [report('1', { at: at(-1_000_000) })], at(0));
      await state().recordOffers([{ rolloutId: 'r1', hostId: 'h1', at: at(5) }]);
      await state().recordOffers([{ rolloutId: 'r1', hostId: 'h2', at: at(5) }]);
      await state().recordReports('h2', [report('1', { at: at(-1_000_000) })], at(6));
      expect(await state().countsOf('r1')).toEqual(counts({ updated: 2 }));
    });

    it('comes to the same counts for every order and repetition of offers and reports', async () => {
      let round = 0;
      await fc.assert(
        fc.asyncProperty(eventsInSomeOrder(), async ({ events, arrivals }) => {
          round += 1;
          const rolloutId = `property-${round}`;
          for (const event of arrivals) {
            const hostId = `${rolloutId}-${event.host}`;
            if (event.outcome === 'offered') {
              await state().recordOffers([{ rolloutId, hostId, at: at(event.atMs) }]);
            } else {
              const { outcome, id } = event;
              await state().recordReports(
                hostId,
                [report(id, { rolloutId, outcome, at: at(event.atMs) })],
                at(0),
              );
            }
          }
          // Events are counted as they come: their number depends on the order, where hosts stand does not.
          const { successes, failures, ...hosts } = await state().countsOf(rolloutId);
          expect(hosts).toEqual(expectedHosts(events));
          expect(successes).toBeGreaterThanOrEqual(hosts.updated);
          expect(failures).toBeGreaterThanOrEqual(hosts.failed);
        }),
        { seed: 20250825, numRuns: 60 },
      );
    });

    it('counts as overdue who was offered and is silent for too long, and nobody else', async () => {
      const offers = ['h1', 'h2', 'h3'].map((hostId) => ({ rolloutId: 'r1', hostId, at: at(10) }));
      await state().recordOffers([...offers, { rolloutId: 'r1', hostId: 'late', at: at(20) }]);
      await state().recordOffers([{ rolloutId: 'r2', hostId: 'h1', at: at(0) }]);
      await state().recordReports('h3', [report('1')], at(11));
      expect(await state().markOverdue('r1', at(20))).toBe(2);
      expect(await state().markOverdue('r1', at(20))).toBe(0);
      const expected = { offered: 1, updated: 1, overdue: 2 };
      expect(await state().countsOf('r1')).toEqual(counts(expected));
      expect(await state().countsOf('r2')).toEqual(counts({ offered: 1 }));
    });

    it('lets an overdue host come through or fail after all, and counts its failure once', async () => {
      const offers = ['h1', 'h2'].map((hostId) => ({ rolloutId: 'r1', hostId, at: at(0) }));
      await state().recordOffers(offers);
      await state().markOverdue('r1', at(1));
      await state().recordOffers(offers);
      await state().recordReports('h1', [report('1', { at: at(-99) })], at(2));
      await state().recordReports('h2', [report('1', { outcome: 'failed', at: at(-99) })], at(2));
      const expected = { updated: 1, failed: 1, successes: 1, failures: 2 };
      expect(await state().countsOf('r1')).toEqual(counts(expected));
    });

    it('finds any number of overdue hosts', async () => {
      const offers = Array.from({ length: 1201 }, (_, index) => ({
        ...{ rolloutId: 'r1', hostId: `h${index}`, at: at(0) },
      }));
      await state().recordOffers(offers);
      expect(await state().markOverdue('r1', at(1))).toBe(1201);
      expect(await state().countsOf('r1')).toEqual(counts({ overdue: 1201 }));
    });

    it('asks failed and overdue hosts once more for each attempt, and keeps the count of events', async () => {
      const offers = ['silent', 'bad', 'good'].map((hostId) => ({
        ...{ rolloutId: 'r1', hostId, at: at(0) },
      }));
      await state().recordOffers(offers);
      await state().recordReports('good', [report('1')], at(1));
      await state().recordReports('bad', [report('1', { outcome: 'failed' })], at(1));
      await state().markOverdue('r1', at(1));
      await state().retryFailed('r1', 2, at(5));
      const expected = { offered: 2, updated: 1, successes: 1, failures: 2 };
      expect(await state().countsOf('r1')).toEqual(counts(expected));
      expect(await state().markOverdue('r1', at(5))).toBe(0);
      const again = report('2', { outcome: 'failed', at: at(6) });
      await state().recordReports('bad', [again], at(6));
      await state().retryFailed('r1', 2, at(7));
      const failedAgain = { offered: 1, updated: 1, failed: 1, failures: 3 };
      expect(await state().countsOf('r1')).toEqual(counts(failedAgain));
    });

    it('counts who fails before the others are asked again, but after the retry, as failed again', async () => {
      const failed = report('1', { outcome: 'failed', at: at(9) });
      for (const id of ['early', 'again', 'clock'])
        await state().recordReports(id, [failed], at(1));
      await state().recordOffers([{ rolloutId: 'r1', hostId: 'silent', at: at(0) }]);
      await state().markOverdue('r1', at(5));
      const later = { ...failed, id: '2', attempt: 2 };
      for (const id of ['again', 'silent', 'new']) await state().recordReports(id, [later], at(6));
      // A clock that went back says nothing of which attempt it was.
      await state().recordReports('clock', [{ ...later, at: at(8) }], at(6));
      await state().retryFailed('r1', 2, at(7));
      expect(await state().countsOf('r1')).toEqual(counts({ offered: 1, failed: 4, failures: 8 }));
      await state().recordReports('early', [{ ...later, id: '3' }], at(8));
      await state().recordReports('again', [{ ...later, id: '3', at: at(10) }], at(8));
      expect(await state().countsOf('r1')).toEqual(counts({ failed: 5, failures: 9 }));
      await state().retryFailed('r1', 3, at(9));
      expect(await state().countsOf('r1')).toEqual(counts({ offered: 5, failures: 9 }));
    });

    it('lists failures, the last received first, with all that was reported', async () => {
      const failed = report('2', {
        outcome: 'failed',
        stage: 'write',
        error: 'no space left',
        at: at(3),
      });
      await state().recordReports('h1', [report('1'), failed], at(10));
      await state().recordReports('h2', [{ ...failed, error: null }], at(20));
      await state().recordReports('h3', [{ ...failed, rolloutId: 'r2' }], at(30));
      expect(await state().failuresOf('r1', 10)).toEqual([
        { ...failed, error: null, hostId: 'h2', receivedAt: at(20) },
        { ...failed, hostId: 'h1', receivedAt: at(10) },
      ]);
      expect(await state().failuresOf('r1', 1)).toHaveLength(1);
    });

    it('takes whatever a host says went wrong, with a mark where a database has no character', async () => {
      const error = 'NUL \0, escape \u001b[31m, line\r\nbreak, lone \ud800';
      await state().recordReports('h1', [report('1', { outcome: 'failed', error })], at(0));
      expect((await state().failuresOf('r1', 10)).map((failure) => failure.error)).toEqual([
        'NUL \uFFFD, escape \u001b[31m, line\r\nbreak, lone \uFFFD',
      ]);
    });

    it('keeps nothing of a call that fails in the middle', async () => {
      const broken = report('2', { at: new Date(Number.NaN) });
      await expect(state().recordReports('h1', [report('1'), broken], at(0))).rejects.toThrow();
      expect(await state().countsOf('r1')).toEqual(counts({}));
      expect(await state().recordReports('h1', [report('1')], at(0))).toBe(1);
    });

    it('keeps reports of many hosts in one call as in one call each', async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(1_000_000), reportsOfHosts(), async (run, sent) => {
          const batch = (which: string) =>
            sent.map(({ host, reports }) => ({
              hostId: `${which}-${run}-${host}`,
              reports: reports.map((one) => ({ ...one, rolloutId: `${which}-${run}` })),
              receivedAt: at(0),
            }));
          const together = await state().recordReportBatch(batch('together'));
          const alone: number[] = [];
          for (const { hostId, reports, receivedAt } of batch('alone')) {
            alone.push(await state().recordReports(hostId, reports, receivedAt));
          }
          expect(together).toEqual(alone);
          expect(await state().countsOf(`together-${run}`)).toEqual(
            await state().countsOf(`alone-${run}`),
          );
        }),
        { seed: 20250826, numRuns: 40 },
      );
    });

    it('keeps more reports in one call than a statement can hold', async () => {
      const batch = Array.from({ length: 60 }, (_, index) => ({
        hostId: `h${index}`,
        reports: Array.from({ length: 20 }, (_unused, id) => report(`${id}`)),
        receivedAt: at(0),
      }));
      expect(await state().recordReportBatch(batch)).toEqual(batch.map(() => 20));
      expect(await state().countsOf('r1')).toEqual(counts({ updated: 60 }));
    });

    it('keeps nothing of many hosts when the reports of one cannot be kept', async () => {
      const broken = report('2', { at: new Date(Number.NaN) });
      const batch = [report('1'), broken].map((one, index) => ({
        hostId: `h${index}`,
        reports: [one],
        receivedAt: at(0),
      }));
      await expect(state().recordReportBatch(batch)).rejects.toThrow();
      expect(await state().countsOf('r1')).toEqual(counts({}));
    });

    it('counts a thousand racing reports of a hundred hosts exactly', async () => {
      const added = await Promise.all(
        Array.from({ length: 1000 }, (_, index) =>
          state().recordReports(`h${index % 100}`, [report(`${index % 300}`)], at(index)),
        ),
      );
      // Host h reports the ids h, h + 100 and h + 200, again and again.
      expect(added.reduce((sum, one) => sum + one)).toBe(300);
      expect(await state().countsOf('r1')).toEqual(counts({ updated: 100 }));
    });
  });
}

/** Reports of three hosts, each several times, with ids that come again. */
function reportsOfHosts() {
  const one = fc
    .record({ id: fc.nat(5), outcome: fc.constantFrom(...OUTCOMES), atMs: fc.nat(4) })
    .map(({ id, outcome, atMs }) => report(`${id}`, { outcome, at: at(atMs) }));
  return fc.array(fc.record({ host: fc.nat(2), reports: fc.array(one, { maxLength: 4 }) }), {
    maxLength: 6,
  });
}

type Event = {
  readonly host: number;
  readonly id: string;
  readonly outcome: 'offered' | Outcome;
  readonly atMs: number;
};

/** Events of three hosts, and the same ones as they arrive: shuffled, some twice. */
function eventsInSomeOrder() {
  const event = fc.record({
    host: fc.nat({ max: 2 }),
    outcome: fc.constantFrom<Event['outcome']>('offered', ...OUTCOMES),
    atMs: fc.nat({ max: 4 }),
  });
  return fc.array(event, { minLength: 1, maxLength: 8 }).chain((bare) => {
    const events = bare.map((one, index): Event => ({ ...one, id: `${index}` }));
    const twice = [...events, ...events];
    return fc
      .shuffledSubarray(twice, { minLength: events.length })
      .map((some) => ({ events, arrivals: [...some, ...events.filter((e) => !some.includes(e))] }));
  });
}

const RANK: readonly Event['outcome'][] = ['offered', 'updated', 'failed', 'rolled-back'];

function expectedHosts(events: readonly Event[]) {
  const standings = [0, 1, 2].flatMap((which) => {
    const own = events.filter((event) => event.host === which);
    const outcomes = own.filter(({ outcome }) => outcome !== 'offered');
    const last = (outcomes.length === 0 ? own : outcomes).toSorted(
      (a, b) => a.atMs - b.atMs || RANK.indexOf(a.outcome) - RANK.indexOf(b.outcome),
    );
    return last.slice(-1).map(({ outcome }) => outcome);
  });
  const of = (outcome: Event['outcome']) => standings.filter((one) => one === outcome).length;
  return {
    offered: of('offered'),
    updated: of('updated'),
    failed: of('failed'),
    overdue: 0,
    rolledBack: of('rolled-back'),
  };
}
