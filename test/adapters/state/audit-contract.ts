import { describe, expect, it } from '@jest/globals';
import type { State } from '../../../adapters/state/state.ts';
import { appendEntry, EMPTY_CHAIN, forgottenHead, verifyChain } from '../../../core/audit.ts';
import { formatInstant } from '../../../core/instant.ts';
import { at, record } from './samples.ts';

const ALL = { after: 0, limit: 1000 };
const COMMITTED = { kind: 'committed' } as const;

/** The part of the state contract about the audit log. */
export function describeAudit(state: () => State): void {
  const verb = (id: string) => ({ id, json: `{ "id": "${id}" }`, acceptedAt: at(0) });
  const finish = (id: string, message: string | null = null) =>
    message === null
      ? state().finishVerb(id, COMMITTED, at(5), record(id, { event: 'committed' }))
      : state().finishVerb(
          id,
          { kind: 'rejected', message },
          at(5),
          record(id, { event: 'rejected', message }),
        );
  const told = async () =>
    (await state().auditEntries(ALL)).map(({ verbId, event }) => `${verbId} ${event}`);

  describe('the audit log', () => {
    it('is empty at first', async () => {
      expect(await state().auditHead()).toEqual(EMPTY_CHAIN);
      expect(await state().auditEntries(ALL)).toEqual([]);
    });

    it('has an entry for each accepted verb and for its result, chained, as they were given', async () => {
      await state().enqueueVerb(verb('v1'), record('v1', { reason: null, before: null }));
      await state().enqueueVerb(verb('v2'), record('v2', { after: { deep: [{ a: 'b\n"' }] } }));
      await finish('v2', 'it is withdrawn');
      await finish('v1');
      const log = await state().auditEntries(ALL);
      const first = appendEntry(EMPTY_CHAIN, record('v1', { reason: null, before: null }));
      expect(log[0]).toEqual(first);
      expect(log[1]).toEqual(
        appendEntry(first, record('v2', { after: { deep: [{ a: 'b\n"' }] } })),
      );
      expect(await told()).toEqual(['v1 accepted', 'v2 accepted', 'v2 rejected', 'v1 committed']);
      const head = await state().auditHead();
      expect(verifyChain(log)).toEqual({ kind: 'intact', head });
    });

    it('says once what happens once', async () => {
      await state().enqueueVerb(verb('v1'), record('v1'));
      await state().enqueueVerb(verb('v1'), record('v1'));
      await finish('v1');
      await finish('v1', 'too late');
      expect(await told()).toEqual(['v1 accepted', 'v1 committed']);
    });

    it('says nothing of a verb that is refused', async () => {
      await state().enqueueVerb(verb('v1'), record('v1'));
      const other = { ...verb('v1'), json: '{}' };
      await expect(state().enqueueVerb(other, record('v1'))).rejects.toBeDefined();
      await expect(finish('v2')).rejects.toMatchObject({ code: 'state/not-there' });
      expect(await told()).toEqual(['v1 accepted']);
    });

    it('keeps no verb and no result whose entry cannot be written', async () => {
      await state().enqueueVerb(verb('v1'), record('v1'));
      await expect(state().enqueueVerb(verb('v2'), record('v1'))).rejects.toBeDefined();
      expect(await state().findVerb('v2')).toBeNull();
      await expect(
        state().finishVerb('v1', COMMITTED, at(5), record('v1', { event: 'accepted' })),
      ).rejects.toBeDefined();
      expect((await state().pendingVerbs()).map(({ id }) => id)).toEqual(['v1']);
      expect(await told()).toEqual(['v1 accepted']);
    });

    it('gives racing verbs one place each, without a gap', async () => {
      const ids = Array.from({ length: 40 }, (_, index) => `v${index}`);
      await Promise.all(ids.map((id) => state().enqueueVerb(verb(id), record(id))));
      await Promise.all(ids.map((id) => finish(id)));
      expect(verifyChain(await state().auditEntries(ALL))).toMatchObject({
        kind: 'intact',
        head: { sequence: 80 },
      });
    });

    it('is read page by page', async () => {
      for (const id of ['v1', 'v2', 'v3', 'v4']) await state().enqueueVerb(verb(id), record(id));
      const page = await state().auditEntries({ after: 1, limit: 2 });
      expect(page.map(({ sequence }) => sequence)).toEqual([2, 3]);
      expect(await state().auditEntries({ after: 4, limit: 2 })).toEqual([]);
    });

    it('tells a verb that somebody else committed, once, and none that it tells already', async () => {
      const found = (id: string) => record(id, { event: 'found', actor: 'cli' });
      for (const id of ['pending', 'committed', 'rejected']) {
        await state().enqueueVerb(verb(id), record(id));
      }
      await finish('committed');
      await finish('rejected', 'it is withdrawn');
      const batch = ['cli', 'pending', 'committed', 'rejected', 'cli'].map(found);
      expect(await state().recordFound(batch)).toBe(2);
      expect(await state().recordFound(batch)).toBe(0);
      expect((await told()).slice(5)).toEqual(['cli found', 'rejected found']);
      expect(verifyChain(await state().auditEntries(ALL)).kind).toBe('intact');
    });

    it('goes on behind the head that is known from elsewhere when its own entries are lost', async () => {
      const lost = { sequence: 57, hash: 'a'.repeat(64) };
      await state().continueAudit(lost);
      expect(await state().auditHead()).toEqual(lost);
      await state().enqueueVerb(verb('v1'), record('v1'));
      const log = await state().auditEntries(ALL);
      expect(log).toEqual([appendEntry(lost, record('v1'))]);
      expect(verifyChain(log, { from: lost }).kind).toBe('intact');
      expect(verifyChain(log)).toMatchObject({ sequence: 1, fault: 'removed' });
    });

    it('forgets its first entries up to one that was written later, and says so', async () => {
      const times = [0, 1, 9, 2];
      for (const [index, ms] of times.entries()) {
        const written = formatInstant(at(ms * 1000));
        await state().enqueueVerb(verb(`v${index}`), record(`v${index}`, { at: written }));
      }
      const log = await state().auditEntries(ALL);
      const order = { before: at(5000), upTo: 4, limit: 10, at: at(10_000) };
      expect(await state().forgetAudit(order)).toBe(2);
      expect(await told()).toEqual(['v2 accepted', 'v3 accepted', 'forgotten-2 forgotten']);
      const left = await state().auditEntries(ALL);
      expect(left.slice(0, 2)).toEqual(log.slice(2));
      const from = { sequence: 2, hash: log[1]?.hash ?? '' };
      expect(forgottenHead(left)).toEqual(from);
      const head = await state().auditHead();
      expect(verifyChain(left, { from })).toEqual({ kind: 'intact', head });
      expect(await state().forgetAudit(order)).toBe(0);
    });

    it('forgets nothing beyond the entry that is named, and no more than a page', async () => {
      for (const id of ['v1', 'v2', 'v3', 'v4']) await state().enqueueVerb(verb(id), record(id));
      const order = { before: at(5000), upTo: 3, limit: 2, at: at(10_000) };
      expect(await state().forgetAudit(order)).toBe(2);
      expect(await state().forgetAudit(order)).toBe(1);
      expect(await state().forgetAudit(order)).toBe(0);
      expect((await told()).slice(0, 2)).toEqual(['v4 accepted', 'forgotten-2 forgotten']);
    });

    it('goes on from its end when all of it is forgotten but that it was', async () => {
      await state().enqueueVerb(verb('v1'), record('v1'));
      await state().forgetAudit({ before: at(5000), upTo: 1, limit: 10, at: at(10_000) });
      expect((await state().auditHead()).sequence).toBe(2);
      expect(await told()).toEqual(['forgotten-1 forgotten']);
    });

    it('does not find verbs again that it has forgotten', async () => {
      const found = (id: string) => record(id, { event: 'found' });
      await state().recordFound([found('old')]);
      await state().enqueueVerb(verb('mine'), record('mine'));
      await finish('mine');
      await state().enqueueVerb(verb('refused'), record('refused'));
      await finish('refused', 'it is withdrawn');
      await state().forgetAudit({ before: at(5000), upTo: 5, limit: 10, at: at(10_000) });
      expect(await state().recordFound(['old', 'mine', 'refused'].map(found))).toBe(1);
      expect(await told()).toEqual(['forgotten-5 forgotten', 'refused found']);
    });

    it('tells a verb of somebody whose clock is behind what the log has forgotten', async () => {
      await state().recordFound([record('old', { event: 'found' })]);
      await state().forgetAudit({ before: at(5000), upTo: 1, limit: 10, at: at(10_000) });
      const behind = record('new', { event: 'found', verbAt: formatInstant(at(-86_400_000)) });
      expect(await state().recordFound([behind, behind])).toBe(1);
      expect(await told()).toEqual(['forgotten-1 forgotten', 'new found']);
    });

    it('goes on behind its own head when that is later', async () => {
      await state().enqueueVerb(verb('v1'), record('v1'));
      await state().enqueueVerb(verb('v2'), record('v2'));
      const head = await state().auditHead();
      await state().continueAudit({ sequence: 1, hash: 'a'.repeat(64) });
      await state().continueAudit({ sequence: 2, hash: 'a'.repeat(64) });
      expect(await state().auditHead()).toEqual(head);
    });
  });
}
