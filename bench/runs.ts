import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
