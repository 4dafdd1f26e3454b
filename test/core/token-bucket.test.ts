import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fullBucket, takeTokens } from '../../core/token-bucket.ts';

describe('a token bucket', () => {
  it('gives a tenth of a second at once, then makes wait for what is owed', () => {
    const full = fullBucket(1000, 0);
    const first = takeTokens(full, 100, 0);
    expect(first.waitMs).toBe(0);
    const second = takeTokens(first.bucket, 250, 0);
    expect(second.waitMs).toBe(250);
    const third = takeTokens(second.bucket, 10, 250);
    expect(third.waitMs).toBe(10);
  });

  it('saves up no more than a tenth of a second, however long nothing comes', () => {
    const later = takeTokens(fullBucket(1000, 0), 150, 3_600_000);
    expect(later.waitMs).toBe(50);
  });

  it('does not break when the clock goes back', () => {
    const { bucket } = takeTokens(fullBucket(1000, 1000), 100, 1000);
    const back = takeTokens(bucket, 100, 0);
    expect(back.waitMs).toBe(100);
    expect(takeTokens(back.bucket, 0, 1100).waitMs).toBe(0);
  });

  it('never lets through more than its rate, and wastes no more than a burst of it', () => {
    const chunk = fc.record({ bytes: fc.integer({ min: 1, max: 65_536 }), lateMs: fc.nat(3) });
    const rate = fc.integer({ min: 1024, max: 1 << 30 });
    fc.assert(
      fc.property(rate, fc.array(chunk, { minLength: 1, maxLength: 200 }), (perSecond, chunks) => {
        let nowMs = 0;
        let sum = 0;
        let bucket = fullBucket(perSecond, nowMs);
        for (const { bytes, lateMs } of chunks) {
          const taken = takeTokens(bucket, bytes, nowMs);
          ({ bucket } = taken);
          sum += bytes;
          nowMs += taken.waitMs + (taken.waitMs > 0 ? lateMs : 0);
          const allowed = (perSecond * nowMs) / 1000 + perSecond / 10;
          expect(sum).toBeLessThanOrEqual(allowed + 1);
        }
        // Waiting a little too long each time is made up for: the whole takes as long as its bytes at this rate.
        const idealMs = (sum / perSecond) * 1000;
        expect(nowMs).toBeLessThanOrEqual(idealMs + 5);
      }),
      { seed: 7 },
    );
  });
});
