import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GptError } from '../../../core/gpt/errors.ts';
import {
  cancelUpgrade,
  clearInactive,
  hasFailedToBoot,
  markInactiveValid,
  markSuccessfulBoot,
  rollbackToInactive,
  upgradeToInactive,
} from '../../../core/gpt/signpost.ts';
import type { SlotStep } from '../../../core/gpt/signpost.ts';
import {
  afterBootOf,
  CLEARED,
  hasEverSucceeded,
  hasLastingSlot,
  nextToBoot,
  otherSide,
  readBits,
  willBoot,
  withEverSucceeded,
  writeBits,
} from '../../../core/gpt/slot-bits.ts';
import type { Side, SlotBits, SlotPair } from '../../../core/gpt/slot-bits.ts';

const bits = fc.record({
  priority: fc.nat(15),
  triesLeft: fc.nat(15),
  successful: fc.boolean(),
});
const pairs = fc.record({ a: bits, b: bits });
const sides = fc.constantFrom<Side>('a', 'b');
const GOOD: SlotBits = { priority: 1, triesLeft: 0, successful: true };

function tried(step: SlotStep, pair: SlotPair, running: Side): SlotPair | 'refused' {
  try {
    return step(pair, running);
  } catch (error) {
    if (error instanceof GptError && error.code === 'gpt/refused') return 'refused';
    throw error;
  }
}

describe('the bits of a slot', () => {
  it.each([
    [{ priority: 2, triesLeft: 0, successful: true }, 0x0102000000000000n],
    [{ priority: 2, triesLeft: 1, successful: false }, 0x0012000000000000n],
    [{ priority: 1, triesLeft: 0, successful: true }, 0x0101000000000000n],
    [{ priority: 0, triesLeft: 1, successful: false }, 0x0010000000000000n],
  ])('%o are %p', (slot, attributes) => {
    expect(writeBits(0n, slot)).toBe(attributes);
    expect(readBits(attributes)).toEqual(slot);
  });

  it('are written without a change of any other attribute', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), bits, (attributes, slot) => {
        const written = writeBits(attributes, slot);
        expect(readBits(written)).toEqual(slot);
        expect(writeBits(written, readBits(attributes))).toBe(attributes);
        expect(hasEverSucceeded(written)).toBe(hasEverSucceeded(attributes));
        expect(readBits(withEverSucceeded(written))).toEqual(slot);
      }),
    );
  });

  it.each([{ priority: 16 }, { triesLeft: 16 }, { priority: -1 }, { triesLeft: 0.5 }])(
    'do not hold %o',
    (wrong) => {
      expect(() => writeBits(0n, { ...CLEARED, ...wrong })).toThrow(RangeError);
    },
  );
});

describe('nextToBoot', () => {
  it.each<{ case: string; a: SlotBits; b: SlotBits; next: Side | null }>([
    { case: 'nothing on an empty disk', a: CLEARED, b: CLEARED, next: null },
    { case: 'the only good slot', a: GOOD, b: CLEARED, next: 'a' },
    { case: 'the higher priority', a: GOOD, b: { ...GOOD, priority: 2 }, next: 'b' },
    { case: 'A of two equal ones', a: GOOD, b: GOOD, next: 'a' },
    {
      case: 'the lower priority when the higher has no tries left',
      a: GOOD,
      b: { priority: 2, triesLeft: 0, successful: false },
      next: 'a',
    },
    {
      case: 'no slot of priority 0, good or not',
      a: { ...GOOD, priority: 0 },
      b: { priority: 0, triesLeft: 3, successful: false },
      next: null,
    },
  ])('is $case', ({ a, b, next }) => {
    expect(nextToBoot({ a, b })).toBe(next);
  });

  it('is always a slot that will boot', () => {
    fc.assert(
      fc.property(pairs, (pair) => {
        const next = nextToBoot(pair);
        if (next !== null) expect(willBoot(pair[next])).toBe(true);
        expect(hasLastingSlot(pair) && next === null).toBe(false);
      }),
    );
  });
});

describe('the steps of an update', () => {
  it('are those of Bottlerocket, from A to a good B', () => {
    const start: SlotPair = { a: GOOD, b: CLEARED };
    const marked = markInactiveValid(clearInactive(start, 'a'), 'a', 1);
    expect(marked).toEqual({ a: GOOD, b: { ...CLEARED, triesLeft: 1 } });
    expect(nextToBoot(marked)).toBe('a');
    const flipped = upgradeToInactive(marked, 'a');
    expect(flipped).toEqual({ a: GOOD, b: { priority: 2, triesLeft: 1, successful: false } });
    expect(nextToBoot(flipped)).toBe('b');
    const booted = afterBootOf(flipped, 'b');
    expect(booted.b).toEqual({ priority: 2, triesLeft: 0, successful: false });
    expect(markSuccessfulBoot(booted, 'b').b).toEqual({ ...GOOD, priority: 2 });
    // Or it was no good boot:
    expect(nextToBoot(booted)).toBe('a');
    expect(hasFailedToBoot(booted.b)).toBe(true);
  });

  it('give a new slot three tries if nobody says otherwise', () => {
    expect(markInactiveValid({ a: GOOD, b: CLEARED }, 'a').b.triesLeft).toBe(3);
  });

  it('are taken back by a cancellation', () => {
    const flipped = upgradeToInactive(markInactiveValid({ a: GOOD, b: CLEARED }, 'a'), 'a');
    const cancelled = cancelUpgrade(flipped, 'a');
    expect(cancelled.b.priority).toBe(0);
    expect(nextToBoot(cancelled)).toBe('a');
  });

  it.each<{ case: string; step: SlotStep; a: SlotBits; b: SlotBits }>([
    {
      case: 'an upgrade to what is marked already',
      step: upgradeToInactive,
      a: GOOD,
      b: { priority: 1, triesLeft: 1, successful: false },
    },
    {
      case: 'an upgrade to what was booted before',
      step: upgradeToInactive,
      a: GOOD,
      b: { priority: 0, triesLeft: 1, successful: true },
    },
    { case: 'an upgrade to what is not valid', step: upgradeToInactive, a: GOOD, b: CLEARED },
    { case: 'a rollback to what would not boot', step: rollbackToInactive, a: GOOD, b: CLEARED },
    {
      case: 'to clear the only good slot before the running one is good',
      step: clearInactive,
      a: { priority: 2, triesLeft: 0, successful: false },
      b: GOOD,
    },
  ])('refuse $case', ({ step, a, b }) => {
    expect(tried(step, { a, b }, 'a')).toBe('refused');
  });

  const STEPS: Readonly<Record<string, SlotStep>> = {
    clearInactive,
    markInactiveValid,
    upgradeToInactive,
    cancelUpgrade,
    rollbackToInactive,
    markSuccessfulBoot,
  };

  it.each(Object.entries(STEPS))('%s only changes what is its own', (name, step) => {
    fc.assert(
      fc.property(pairs, sides, (pair, running) => {
        const after = tried(step, pair, running);
        if (after === 'refused') return;
        const other = otherSide(running);
        if (name === 'markSuccessfulBoot') expect(after[other]).toEqual(pair[other]);
        else {
          const { triesLeft, successful } = pair[running];
          expect(after[running]).toMatchObject({ triesLeft, successful });
        }
      }),
    );
  });

  it('mean the same for both sides', () => {
    fc.assert(
      fc.property(pairs, sides, fc.constantFrom(...Object.values(STEPS)), (pair, running, step) => {
        const mirrored = tried(step, { a: pair.b, b: pair.a }, otherSide(running));
        const after = tried(step, pair, running);
        expect(mirrored).toEqual(after === 'refused' ? after : { a: after.b, b: after.a });
      }),
    );
  });

  it('never leave a host without a slot that boots, in any order, with any boots between', () => {
    const moves = fc.array(
      fc.oneof(
        fc.constantFrom(...Object.values(STEPS)),
        fc.constantFrom('good boot' as const, 'bad boot' as const),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(moves, (sequence) => {
        let pair: SlotPair = { a: GOOD, b: CLEARED };
        let running: Side = 'a';
        for (const move of sequence) {
          if (typeof move === 'string') {
            // A boot that fails ends in the boot loader again, until something boots or nothing ever will.
            for (let boots = 0; ; boots += 1) {
              const next = nextToBoot(pair);
              expect([next, boots]).not.toEqual([null, boots]);
              if (next === null) return;
              const isGood = move === 'good boot' || pair[next].successful;
              pair = afterBootOf(pair, next);
              running = next;
              if (isGood) break;
            }
          } else {
            const after = tried(move, pair, running);
            if (after !== 'refused') pair = after;
          }
          expect(hasLastingSlot(pair)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });
});
