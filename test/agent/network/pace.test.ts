import { describe, expect, it } from '@jest/globals';
import { openPace } from '../../../agent/network/pace.ts';
import { codeOf } from '../error-code.ts';

const signal = new AbortController().signal;

describe('openPace', () => {
  it('holds a download to its rate, by a clock that only its waits move', async () => {
    let nowMs = 5000;
    const pause = (ms: number) => {
      nowMs += ms;
      return Promise.resolve();
    };
    const pace = openPace(1_000_000, { pause, nowMs: () => nowMs });
    for (let chunk = 0; chunk < 100; chunk += 1) await pace.take(65_536, signal);
    const seconds = (nowMs - 5000) / 1000;
    expect(6_553_600 / seconds).toBeGreaterThan(1_000_000 * 0.99);
    expect((6_553_600 - 100_000) / seconds).toBeLessThanOrEqual(1_000_000);
  });

  it('does not wait without a limit', async () => {
    await expect(openPace(null).take(1e12, signal)).resolves.toBeUndefined();
  });

  it('stops waiting when the agent is told to stop', async () => {
    const stop = new AbortController();
    const waiting = codeOf(openPace(1024).take(1 << 30, stop.signal));
    stop.abort();
    expect(await waiting).toBe('agent/stopped');
  });
});
