import { SEED_COUNT } from '../../core/seed.ts';

const WIDTH = 40;

/** The tide as a bar of at most 40 characters. */
export function bar(seeds: number): string {
  return '#'.repeat(Math.round((seeds * WIDTH) / SEED_COUNT));
}
