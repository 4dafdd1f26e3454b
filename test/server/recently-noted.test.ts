import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RecentlyNoted } from '../../server/recently-noted.ts';

const START_MS = Date.parse('2026-03-01T12:00:00Z');
const FOR_MS = 60_000;

function at(ms: number): Date {
  return new Date(START_MS + ms);
}

function setup(capacity = 1024): RecentlyNoted {
  return new RecentlyNoted({ capacity, forMs: FOR_MS });
}

describe('RecentlyNoted', () => {
  it('notes the same text under the same key once, until its time is over', () => {
    const noted = setup();
    expect(noted.note('a', 'x', at(0))).toBe(true);
    expect(noted.note('a', 'x', at(FOR_MS - 1000))).toBe(false);
    expect(noted.note('a', 'x', at(FOR_MS))).toBe(true);
    expect(noted.note('a', 'x', at(FOR_MS + 1000))).toBe(false);
  });

  it('notes every change, also back to what was noted before', () => {
    const noted = setup();
    expect(['x', 'y', 'x', 'y'].map((text) => noted.note('a', text, at(0)))).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it('notes again what it was told to forget', () => {
    const noted = setup();
    noted.note('a', 'x', at(0));
    noted.forget('a');
    expect(noted.note('a', 'x', at(0))).toBe(true);
  });

  it.each([1000, 3_600_000, 3 * 86_400_000])(
    'notes when the clock was set back %i ms',
    (backMs) => {
      const noted = setup();
      noted.note('a', 'x', at(0));
      expect(noted.note('a', 'x', at(-backMs))).toBe(true);
    },
  );

  it('never takes a new text for a noted one, however little memory it has', () => {
    const step = fc.tuple(fc.nat(40), fc.constantFrom('x', 'y', 'z'), fc.nat(30_000));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const noted = setup(16);
        const known = new Map<string, { readonly text: string; readonly ms: number }>();
        let ms = 0;
        for (const [key, text, waitMs] of steps) {
          ms += waitMs;
          const last = known.get(`${key}`);
          if (noted.note(`${key}`, text, at(ms))) known.set(`${key}`, { text, ms });
          else expect([last?.text, ms - (last?.ms ?? 0) < FOR_MS + 1000]).toEqual([text, true]);
        }
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('remembers nearly all of as many hosts as half of its room', () => {
    const noted = setup(2 ** 16);
    const ids = Array.from({ length: 2 ** 15 }, (_, index) => `i-${index.toString(16)}`);
    for (const id of ids) expect(noted.note(id, 'x', at(0))).toBe(true);
    const forgotten = ids.filter((id) => noted.note(id, 'x', at(1000))).length;
    expect(forgotten / ids.length).toBeLessThan(0.15);
  });
});
