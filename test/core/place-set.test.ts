import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PlaceSet } from '../../core/place-set.ts';

describe('PlaceSet', () => {
  it('finds the next place as a look at each of them would, whatever came and went', () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 40_000 }));
    const steps = fc.array(fc.record({ isAdded: fc.boolean(), at: fc.nat(), from: fc.nat() }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(sizes, steps, (size, all) => {
        const set = new PlaceSet(size);
        const known = new Set<number>();
        for (const { isAdded, at, from } of all) {
          const place = at % size;
          if (isAdded) set.add(place);
          else set.delete(place);
          if (isAdded) known.add(place);
          else known.delete(place);
          const sorted = [...known].toSorted((a, b) => a - b);
          const expected = sorted.find((one) => one >= from % size) ?? sorted[0] ?? null;
          expect(set.nextFrom(from % size)).toBe(expected);
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it('has nothing when it holds no places', () => {
    expect(new PlaceSet(0).nextFrom(0)).toBe(null);
  });
});
