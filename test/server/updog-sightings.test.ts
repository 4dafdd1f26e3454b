import { describe, expect, it } from '@jest/globals';
import { UpdogSightings } from '../../server/updog-sightings.ts';

const NOW = new Date('2040-01-01T00:00:00Z');
const DAY_MS = 86_400_000;

function later(ms: number): Date {
  return new Date(NOW.getTime() + ms);
}

describe('UpdogSightings', () => {
  it('counts a host once for the version that it runs, however often it asks', () => {
    const updog = new UpdogSightings();
    for (const [seed, version] of [
      ['7', '1.0.0'],
      ['7', '1.0.0'],
      ['8', '1.0.0'],
      ['2047', '1.1.0'],
    ]) {
      expect(updog.note({ seed, version }, NOW)).toBe(true);
    }
    expect([...updog.count(NOW)]).toEqual([
      ['1.0.0', 2],
      ['1.1.0', 1],
    ]);
  });

  it('forgets a host that was not seen for a day', () => {
    const updog = new UpdogSightings();
    updog.note({ seed: '7', version: '1.0.0' }, NOW);
    updog.note({ seed: '8', version: '1.0.0' }, later(1000));
    expect([...updog.count(later(DAY_MS))]).toEqual([['1.0.0', 1]]);
    expect([...updog.count(later(2 * DAY_MS))]).toEqual([]);
  });

  it.each([
    { case: 'nothing', query: {} },
    { case: 'a seed alone', query: { seed: '7' } },
    { case: 'a seed beyond the queue', query: { seed: '2048', version: '1.0.0' } },
    { case: 'a seed that is no number', query: { seed: 'x', version: '1.0.0' } },
    { case: 'a version that is none', query: { seed: '7', version: 'new' } },
    { case: 'a seed twice', query: { seed: ['7', '8'], version: '1.0.0' } },
  ])('does not count $case', ({ query }) => {
    const updog = new UpdogSightings();
    expect(updog.note(query, NOW)).toBe(false);
    expect(updog.count(NOW).size).toBe(0);
  });

  it('keeps a bounded number of versions, whatever is claimed, and takes new ones when old ones are gone', () => {
    const updog = new UpdogSightings();
    for (let index = 0; index < 1000; index += 1) {
      updog.note({ seed: String(index % 9), version: `1.0.${index}` }, NOW);
    }
    expect([updog.count(NOW).size, updog.count(NOW).get('other')]).toEqual([51, 9]);
    updog.note({ seed: '7', version: '2.0.0' }, later(2 * DAY_MS));
    expect([...updog.count(later(2 * DAY_MS))]).toEqual([['2.0.0', 1]]);
  });
});
