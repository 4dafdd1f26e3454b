import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Lease } from '../../adapters/state/state.ts';
import { LeaseBook } from '../../server/lease-book.ts';

const at = (second: number) => new Date(second * 1000);

type Step =
  | { readonly kind: 'set'; readonly host: string; readonly keys: readonly string[] }
  | { readonly kind: 'delete'; readonly host: string }
  | { readonly kind: 'wait'; readonly seconds: number };

const host = fc.constantFrom('a', 'b', 'c', 'd');
const keys = fc.subarray(['x', 'y', 'z'], { minLength: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), host, keys }),
  fc.record({ kind: fc.constant('delete' as const), host }),
  fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat({ max: 40 }) }),
);

describe('LeaseBook', () => {
  it('counts what is out at any time, as a plain list of leases does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const book = new LeaseBook();
        let list: Lease[] = [];
        let second = 0;
        for (const next of steps) {
          if (next.kind === 'wait') second += next.seconds;
          else list = list.filter(({ hostId }) => hostId !== next.host);
          if (next.kind === 'delete') book.delete(next.host);
          if (next.kind === 'set') {
            const until = at(second + 60);
            book.set(next.host, next.keys, until);
            list.push(...next.keys.map((key) => ({ hostId: next.host, key, until })));
          }
          const now = at(second);
          const out = list.filter(({ until }) => until > now);
          for (const key of ['x', 'y', 'z']) {
            const holders = out.filter((lease) => lease.key === key).map(({ hostId }) => hostId);
            expect(book.inUse(key, now)).toBe(holders.length);
            expect(['a', 'b', 'c', 'd'].filter((id) => book.holds(id, key, now))).toEqual(
              holders.toSorted(),
            );
          }
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('takes over what the database says, in any order, of all hosts but those it knows better', () => {
    const book = new LeaseBook();
    book.set('gone', ['x'], at(100));
    book.set('given', ['x'], at(100));
    book.replace(
      [
        { hostId: 'late', key: 'x', until: at(90) },
        { hostId: 'late', key: 'y', until: at(90) },
        { hostId: 'early', key: 'x', until: at(50) },
        { hostId: 'freed', key: 'x', until: at(90) },
      ],
      new Set(['given', 'freed']),
    );
    expect(['gone', 'given', 'late', 'early', 'freed'].map((id) => book.endOf(id))).toEqual([
      ...[null, at(100), at(90), at(50), null],
    ]);
    expect([at(49), at(50), at(90)].map((now) => book.inUse('x', now))).toEqual([3, 2, 1]);
    expect([book.inUse('y', at(89)), book.size]).toEqual([0, 1]);
  });
});
