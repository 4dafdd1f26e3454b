import { describe, expect, it } from '@jest/globals';
import { startVersitygw } from '../support/versitygw.ts';
import { CLIENTS } from './clients.ts';
import { readLife } from './reading.ts';
import type { Reading } from './reading.ts';
import { KEY_KINDS, STATES } from './states.ts';

const [DEFAULT_KINDS, ...OTHER_KINDS] = KEY_KINDS;
const LAST = STATES.at(-1)?.name ?? '';

function failuresOf(readings: readonly Reading[]): readonly Reading[] {
  return readings.filter(({ result }) => result !== 'read');
}

describe.each(CLIENTS)('$name', (client) => {
  it('reads every state in the life of a repository, for the first time and from the state before', async () => {
    const readings = await readLife(client, { keys: DEFAULT_KINDS.keys });
    expect(failuresOf(readings)).toEqual([]);
    const ways = 1 + Number(client.remembers) + Number(client.readsFiles);
    expect(readings).toHaveLength(STATES.length * ways);
  });

  it.each(OTHER_KINDS)(
    'reads a repository with $name',
    async ({ keys }) => {
      const readings = await readLife(client, { keys, states: ['fresh', LAST] });
      expect(failuresOf(readings)).toEqual([]);
      expect(new Set(readings.map(({ state }) => state)).size).toBe(2);
    },
    120_000,
  );
});

describe('a repository in a bucket', () => {
  it.each(CLIENTS)(
    'is read by $name',
    async (client) => {
      await using store = await startVersitygw();
      const readings = await readLife(client, {
        keys: DEFAULT_KINDS.keys,
        url: store.storageUrl('fleet'),
        env: store.env,
        states: [LAST],
      });
      expect(failuresOf(readings)).toEqual([]);
      expect(readings).not.toEqual([]);
    },
    120_000,
  );
});
