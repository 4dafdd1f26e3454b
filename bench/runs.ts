import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const GIVE_UP_MS = 30_000;

/** A new folder that is gone when it is disposed. */
export async function scratchFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-bench-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low = NaN, high = low] = sorted.slice((sorted.length - 1) >> 1);
  return sorted.length % 2 === 1 ? low : (low + high) / 2;
}

/** For people: the median and what it lies between. */
export function spread(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(0)} ms (${least.toFixed(0)} to ${most.toFixed(0)})`;
}

/** To two places, as the results are given. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

/** When it first was so; asked again after `everyMs`, for half a minute at most. */
export async function until(question: () => Promise<boolean>, everyMs: number): Promise<number> {
  const deadline = performance.now() + GIVE_UP_MS;
  while (performance.now() < deadline) {
    if (await question()) return performance.now();
    await sleep(everyMs);
  }
  throw new Error(`not so after ${GIVE_UP_MS} ms`);
}
