import { beforeAll, describe, expect, it } from '@jest/globals';
import { startVersitygw } from '../support/versitygw.ts';
import { CLIENTS } from './clients.ts';
import { readLife, waysOf } from './reading.ts';
import type { Reading } from './reading.ts';
import { KEY_KINDS, STATES } from './states.ts';
import { LAST_ROOT } from './trust-states.ts';

const [DEFAULT_KINDS, ...OTHER_KINDS] = KEY_KINDS;
const LAST = STATES.at(-1)?.name ?? '';
/** A life takes this long on a machine that does other work as well. */
const LIFE_MS = 300_000;

function failuresOf(readings: readonly Reading[]): readonly Reading[] {
  return readings.filter(({ result }) => result !== 'read');
}

describe('the life of a repository', () => {
  let readings: readonly Reading[] = [];
  beforeAll(async () => {
    readings = await readLife(CLIENTS, { keys: DEFAULT_KINDS.keys });
  }, LIFE_MS);

  it.each(CLIENTS)(
    'is read by $name in every state, for the first time, from the state before and from every root',
    (client) => {
      const own = readings.filter(({ client: name }) => name === client.name);
      expect(failuresOf(own)).toEqual([]);
      const ways = waysOf(client, { url: 'file:R' });
      expect(own).toHaveLength(STATES.length * ways.length + LAST_ROOT);
    },
  );
});

describe('a repository with other keys', () => {
  it.each(OTHER_KINDS)(
    'is read by every client with $name',
    async ({ keys }) => {
      const readings = await readLife(CLIENTS, { keys, states: ['fresh', LAST] });
      expect(failuresOf(readings)).toEqual([]);
      expect(new Set(readings.map(({ client }) => client)).size).toBe(CLIENTS.length);
    },
    LIFE_MS,
  );
});

describe('a repository in a bucket', () => {
  it(
    'is read by every client',
    async () => {
      await using store = await startVersitygw();
      const states = ['after gc'];
      const options = { keys: DEFAULT_KINDS.keys, url: store.storageUrl('fleet'), env: store.env };
      const readings = await readLife(CLIENTS, { ...options, states });
      expect(failuresOf(readings)).toEqual([]);
      expect(new Set(readings.map(({ client }) => client)).size).toBe(CLIENTS.length);
    },
    LIFE_MS,
  );
});
