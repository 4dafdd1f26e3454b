import { fullBucket, takeTokens } from '../../core/token-bucket.ts';
import { WAITING } from '../backoff.ts';

/** Holds downloads of images to a rate, all of an agent together. */
export type Pace = {
  /** To be told of bytes that came; returns when more may come. Throws `agent/stopped`. */
  readonly take: (bytes: number, signal: AbortSignal) => Promise<void>;
};

/** Not above this rate; null is without a limit. The other side is slowed down by not being read from. */
export function openPace(
  bytesPerSecond: number | null,
  { pause = WAITING.pause, nowMs = () => performance.now() } = {},
): Pace {
  if (bytesPerSecond === null) return { take: async () => {} };
  let bucket = fullBucket(bytesPerSecond, nowMs());
  return {
    async take(bytes, signal) {
      const taken = takeTokens(bucket, bytes, nowMs());
      ({ bucket } = taken);
      if (taken.waitMs > 0) await pause(taken.waitMs, signal);
    },
  };
}
