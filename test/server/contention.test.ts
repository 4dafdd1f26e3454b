import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { publishedVersions } from '../support/small-commits.ts';
import { contend } from './contended-commits.ts';

/** Lets the other side work on for a turn per millisecond of a real pause. */
const patience = {
  random: () => 0.5,
  sleep: async (ms: number) => {
    for (let turn = 0; turn < ms; turn += 1) await setImmediate();
  },
};

describe('a publisher against the commits of a server', () => {
  it('loses none of 100, and no number is missing or doubled', async () => {
    const storage = createMemoryStorage();
    const publish = () => publishedVersions(storage, 50, patience);
    expect(await contend({ storage, each: 50, publish, patience })).toBe(100);
  });
});
