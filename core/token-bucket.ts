/** Tokens that gather over time, up to what gathers in `BURST_MS`; below zero they are owed. */
export type TokenBucket = {
  readonly perSecond: number;
  readonly tokens: number;
  readonly atMs: number;
};

const BURST_MS = 100;

/** A bucket to begin with. */
export function fullBucket(perSecond: number, nowMs: number): TokenBucket {
  return { perSecond, tokens: burstOf(perSecond), atMs: nowMs };
}

/** Takes tokens that were used up already, on credit if need be, and says how long to wait until nothing is owed. */
export function takeTokens(
  { perSecond, tokens, atMs }: TokenBucket,
  count: number,
  nowMs: number,
): { readonly bucket: TokenBucket; readonly waitMs: number } {
  const gathered = (perSecond * Math.max(0, nowMs - atMs)) / 1000;
  const left = Math.min(burstOf(perSecond), tokens + gathered) - count;
  return {
    bucket: { perSecond, tokens: left, atMs: Math.max(atMs, nowMs) },
    waitMs: Math.ceil((Math.max(0, -left) / perSecond) * 1000),
  };
}

function burstOf(perSecond: number): number {
  return (perSecond * BURST_MS) / 1000;
}
