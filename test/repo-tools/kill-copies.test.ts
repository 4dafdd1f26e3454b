import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FROM, KEYS, TWO } from '../support/import-workplace.ts';
import { killEverywhere, standStill } from '../support/kill-everywhere.ts';
import { makeMemoryPlace } from '../support/memory-place.ts';
import type { MemoryPlace, Objects } from '../support/memory-place.ts';
import { writePubsysRepository } from '../support/pubsys-repository.ts';
import { initRepository, ONLINE, PLATFORM, publishVersion } from '../support/small-repository.ts';

/** The objects that the present timestamp leads to, and the root. */
const PUBLISHED = 15;
const DAY_MS = 24 * 60 * 60 * 1000;

let place: MemoryPlace;
let empty: Objects;
let base: Objects;

beforeAll(async () => {
  place = await makeMemoryPlace();
  standStill(place.workplace.now);
  await initRepository(place.workplace);
  empty = await place.objects('file:R');
  await publishVersion(place.workplace, '1.0.0');
  await publishVersion(place.workplace, '1.1.0');
  base = await place.objects('file:R');
});

afterAll(() => place[Symbol.asyncDispose]());

describe('a command that copies or clears, killed at any put or deletion', () => {
  it('repo import carries on where it was', async () => {
    await writePubsysRepository(join(place.workplace.folder, 'S'), TWO);
    place.reset('file:R', empty);
    const killed = await killEverywhere(place, {
      argv: ['repo', 'import', 'file:R', ...FROM, ...KEYS],
    });
    expect(killed.changes.length).toBeGreaterThanOrEqual(16);
  });

  it('repo mirror makes the same copy in the end', async () => {
    place.reset('file:R', base);
    place.reset('file:M', {});
    const argv = ['repo', 'mirror', 'file:R', 'file:M'];
    const first = await killEverywhere(place, { argv, url: 'file:M', isExact: true });
    expect(first.changes).toHaveLength(PUBLISHED);
  });

  it('repo mirror of a rotated repository makes the same copy in the end', async () => {
    place.reset('file:R', base);
    const argv = ['repo', 'mirror', 'file:R', 'file:M'];
    place.reset('file:M', {});
    await place.workplace.must(...argv);
    await place.workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/new.pem');
    await place.workplace.must(
      ...['repo', 'rotate', 'online', 'file:R', '--new-key', 'file:K/new.pem', '--reason', 'r'],
      ...['--sign-with', 'file:K/root1.pem', 'file:K/root2.pem', 'file:K/targets.pem'],
      ...['--online-key', 'file:K/new.pem'],
    );
    const again = await killEverywhere(place, { argv, url: 'file:M', isExact: true });
    // Two of them meet what is there already.
    expect([again.changes.length, again.gaps]).toEqual([7, 1]);
  });

  it('repo gc leaves what hosts need, and removes all of the rest in the end', async () => {
    place.reset('file:R', base);
    const { now } = place.workplace;
    await place.workplace.must(
      ...['release', 'withdraw', 'file:R', ...PLATFORM, '--version', '1.0.0', '--reason', 'r'],
      ...['--release-key', 'file:K/release.pem', ...ONLINE],
    );
    place.workplace.now = new Date(now.getTime() + 40 * DAY_MS);
    standStill(place.workplace.now);
    await place.workplace.must('repo', 'refresh', 'file:R', '--key', 'file:K/online.pem');
    const killed = await killEverywhere(place, {
      argv: ['repo', 'gc', 'file:R'],
      putAt: now,
      isExact: true,
    });
    expect(killed.changes.length).toBeGreaterThanOrEqual(10);
    expect(killed.changes.filter((name) => name.endsWith('.img') || name.includes('root'))).toEqual(
      [expect.stringContaining('1.0.0-root')],
    );
    place.workplace.now = now;
    standStill(now);
  });
});
