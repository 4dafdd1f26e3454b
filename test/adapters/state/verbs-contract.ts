import { describe, expect, it } from '@jest/globals';
import type { State } from '../../../adapters/state/state.ts';
import { at, record } from './samples.ts';

/** The part of the state contract about the outbox of verbs. */
export function describeVerbs(state: () => State): void {
  describe('the outbox of verbs', () => {
    const verb = { id: 'v1', json: '{ "kind": "pause" }', acceptedAt: at(0) };

    it('keeps a verb byte for byte, pending', async () => {
      const stored = { ...verb, sequence: 1, status: { kind: 'pending' } };
      expect(await state().enqueueVerb(verb, record('v1'))).toEqual(stored);
      expect(await state().findVerb('v1')).toEqual(stored);
      expect(await state().pendingVerbs()).toEqual([stored]);
      expect(await state().findVerb('v2')).toBeNull();
    });

    it('takes the same verb again as the one it has, finished or not', async () => {
      const first = await state().enqueueVerb(verb, record('v1'));
      expect(await state().enqueueVerb({ ...verb, acceptedAt: at(9) }, record('v1'))).toEqual(
        first,
      );
      await state().finishVerb(
        'v1',
        { kind: 'committed' },
        at(5),
        record('v1', { event: 'committed' }),
      );
      expect(await state().enqueueVerb(verb, record('v1'))).toMatchObject({
        status: { kind: 'committed' },
      });
      expect(await state().pendingVerbs()).toEqual([]);
      expect(await state().recentVerbs(10)).toHaveLength(1);
    });

    it('refuses another verb under a known id', async () => {
      await state().enqueueVerb(verb, record('v1'));
      await expect(
        state().enqueueVerb({ ...verb, json: '{}' }, record('v1')),
      ).rejects.toMatchObject({
        code: 'state/conflict',
      });
      expect(await state().findVerb('v1')).toMatchObject({ json: verb.json });
    });

    it('gives racing verbs one place each, and racing copies of one verb one place', async () => {
      const ids = Array.from({ length: 40 }, (_, index) => `v${index % 20}`);
      await Promise.all(ids.map((id) => state().enqueueVerb({ ...verb, id }, record(id))));
      const pending = await state().pendingVerbs();
      expect(pending.map(({ sequence }) => sequence)).toEqual(
        Array.from({ length: 20 }, (_, index) => index + 1),
      );
      expect(new Set(pending.map(({ id }) => id)).size).toBe(20);
    });

    it('lists the pending in the order of acceptance and the recent in reverse', async () => {
      for (const id of ['c', 'a', 'd', 'b']) await state().enqueueVerb({ ...verb, id }, record(id));
      await state().finishVerb(
        'a',
        { kind: 'rejected', message: 'it is withdrawn' },
        at(7),
        record('a', { event: 'rejected' }),
      );
      expect((await state().pendingVerbs()).map(({ id }) => id)).toEqual(['c', 'd', 'b']);
      expect((await state().recentVerbs(3)).map(({ id }) => id)).toEqual(['b', 'd', 'a']);
      expect(await state().findVerb('a')).toMatchObject({
        status: { kind: 'rejected', message: 'it is withdrawn', finishedAt: at(7) },
      });
    });

    it('lists what is pending and all that was accepted behind a place, in order', async () => {
      for (const id of ['c', 'a', 'd', 'b']) await state().enqueueVerb({ ...verb, id }, record(id));
      for (const id of ['a', 'd']) {
        const event = record(id, { event: 'committed' });
        await state().finishVerb(id, { kind: 'committed' }, at(7), event);
      }
      const idsBehind = async (sequence: number) =>
        (await state().verbsBehind(sequence)).map(({ id }) => id);
      expect(await idsBehind(0)).toEqual(['c', 'a', 'd', 'b']);
      expect(await idsBehind(2)).toEqual(['c', 'd', 'b']);
      expect(await idsBehind(4)).toEqual(['c', 'b']);
    });

    it('keeps the first result of a verb', async () => {
      await state().enqueueVerb(verb, record('v1'));
      const done = await state().finishVerb(
        'v1',
        { kind: 'committed' },
        at(5),
        record('v1', { event: 'committed' }),
      );
      expect(done.status).toEqual({ kind: 'committed', finishedAt: at(5) });
      expect(
        await state().finishVerb(
          'v1',
          { kind: 'rejected', message: 'no' },
          at(6),
          record('v1', { event: 'rejected' }),
        ),
      ).toEqual(done);
    });

    it('refuses to finish a verb that it does not know', async () => {
      await expect(
        state().finishVerb(
          'v1',
          { kind: 'committed' },
          at(0),
          record('v1', { event: 'committed' }),
        ),
      ).rejects.toMatchObject({
        code: 'state/not-there',
      });
    });
  });
}
