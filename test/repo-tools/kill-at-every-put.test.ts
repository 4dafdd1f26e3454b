import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { killEverywhere, standStill } from '../support/kill-everywhere.ts';
import { makeMemoryPlace } from '../support/memory-place.ts';
import type { MemoryPlace, Objects } from '../support/memory-place.ts';
import {
  initRepository,
  ONLINE,
  PLATFORM,
  publishArguments,
  publishVersion,
} from '../support/small-repository.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const RELEASE = ['--release-key', 'file:K/release.pem'] as const;

let place: MemoryPlace;
let base: Objects;

beforeAll(async () => {
  place = await makeMemoryPlace();
  standStill(place.workplace.now);
  await initRepository(place.workplace);
  await publishVersion(place.workplace, '1.0.0');
  await publishVersion(place.workplace, '1.1.0', '--rollback-to', '1.0.0');
  base = await place.objects('file:R');
});

afterAll(() => place[Symbol.asyncDispose]());

describe('a command that is killed at any put or deletion', () => {
  it('repo init makes the same repository in the end', async () => {
    place.reset('file:R', {});
    const killed = await killEverywhere(place, {
      argv: [
        ...['repo', 'init', 'file:R', '--root-key', 'file:K/root1.pem', '--root-key'],
        ...['file:K/root2.pem', '--targets-key', 'file:K/targets.pem', ...ONLINE],
        ...['--release-key', 'aws-k8s-1.32:x86_64=file:K/release.pem'],
      ],
    });
    expect(killed.changes).toHaveLength(7);
  });

  it('publish shows the whole release or nothing of it', async () => {
    place.reset('file:R', base);
    const killed = await killEverywhere(place, {
      argv: publishArguments('1.2.0', '--rollback-to', '1.1.0'),
    });
    expect(killed.changes).toHaveLength(7);
  });

  it('repo refresh renews all or nothing', async () => {
    place.reset('file:R', base);
    const keys = ['file:K/online.pem', 'file:K/release.pem', 'file:K/targets.pem'];
    const { now } = place.workplace;
    place.workplace.now = new Date(now.getTime() + DAY_MS);
    standStill(place.workplace.now);
    const killed = await killEverywhere(place, {
      argv: ['repo', 'refresh', 'file:R', '--key', ...keys],
    });
    expect(killed.changes).toHaveLength(5);
    place.workplace.now = now;
    standStill(now);
  });

  it.each([
    { command: 'amend', more: ['--notes', 'https://example.com/1.1.0'], changes: 4 },
    { command: 'withdraw', more: [], changes: 4 },
  ])('release $command changes document and role together', async ({ command, more, changes }) => {
    place.reset('file:R', base);
    const killed = await killEverywhere(place, {
      argv: [
        ...['release', command, 'file:R', ...PLATFORM, '--version', '1.1.0', '--reason', 'r'],
        ...[...more, ...RELEASE, ...ONLINE],
      ],
    });
    expect(killed.changes).toHaveLength(changes);
  });
});
