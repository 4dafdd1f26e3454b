import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { standStill } from '../support/kill-everywhere.ts';
import { makeMemoryPlace } from '../support/memory-place.ts';
import type { MemoryPlace, Objects } from '../support/memory-place.ts';
import { mortalStorage } from '../support/mortal-storage.ts';
import {
  initRepository,
  ONLINE,
  PLATFORM,
  publishArguments,
  publishVersion,
} from '../support/small-repository.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const NEW = 'file:K/new.pem';
const REFRESH = ['repo', 'refresh', 'file:R', '--key', 'file:K/online.pem'] as const;
const RELEASE = [...PLATFORM, '--version', '1.0.0', '--reason', 'r'] as const;
const KEYS = ['--release-key', 'file:K/release.pem', ...ONLINE] as const;

const COMMANDS: readonly (readonly string[])[] = [
  publishArguments('1.1.0'),
  REFRESH,
  ['rollout', 'start', '--storage', 'file:R', ...ONLINE, ...PLATFORM, '--version', '1.0.0'],
  ['release', 'amend', 'file:R', ...RELEASE, '--notes', 'https://example.com', ...KEYS],
  ['release', 'withdraw', 'file:R', ...RELEASE, ...KEYS],
  [
    ...['repo', 'delegate', 'add', 'file:R', `aws-ecs-2:aarch64=${NEW}`, '--reason', 'r'],
    ...['--sign-with', 'file:K/targets.pem', NEW, ...ONLINE],
  ],
];

let place: MemoryPlace;
let base: Objects;
let right: Date;

beforeAll(async () => {
  place = await makeMemoryPlace();
  right = place.workplace.now;
  standStill(right);
  await initRepository(place.workplace);
  await publishVersion(place.workplace, '1.0.0');
  await place.workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/new.pem');
  base = await place.objects('file:R');
});

afterAll(() => place[Symbol.asyncDispose]());

/** Runs a command with this clock on the repository as the right clock left it. */
async function runAt(now: Date | string, argv: readonly string[], objects: Objects = base) {
  const storage = mortalStorage(place.reset('file:R', objects));
  place.put('file:R', storage);
  place.workplace.now = new Date(now);
  const ran = await place.workplace.run(...argv);
  place.workplace.now = right;
  const metadata = storage.changes.filter((name) => name.startsWith('metadata/'));
  return { ...ran, metadata };
}

function daysFrom(date: Date, days: number): Date {
  return new Date(date.getTime() + days * DAY_MS);
}

describe('a clock that is plainly wrong', () => {
  const cases = ['1970-01-01T00:00:05Z', '2025-03-01T12:00:00Z', '2031-01-01T00:00:00Z'].flatMap(
    (now) => COMMANDS.map((argv) => ({ now, argv, command: argv.slice(0, 3).join(' ') })),
  );

  it.each(cases)(
    '$now: $command signs nothing, and says what the clock says',
    async ({ now, argv }) => {
      const { code, stderr, metadata } = await runAt(now, argv);
      expect([code, metadata]).toEqual([1, []]);
      expect(Object.keys(await place.objects('file:R'))).not.toContain('proposals/open.json');
      const [error = '', ...more] = stderr.split('\n').filter((line) => line.includes('error: '));
      expect([error, more]).toEqual([expect.stringContaining(`the clock says ${now}`), []]);
    },
  );
});

describe('a clock that says 1970 in a ceremony', () => {
  const people = ['--sign-with', 'file:K/root1.pem', 'file:K/root2.pem', 'file:K/targets.pem'];
  it.each([
    { argv: ['rotate', 'root', 'file:R', '--new-key', NEW, '--threshold', '1', ...people, NEW] },
    { argv: ['rotate', 'online', 'file:R', '--new-key', NEW, ...people] },
    { argv: ['recover', 'file:R', '--new-online-key', NEW, ...people] },
    { argv: ['root', 'propose', 'file:R', '--renew', 'root', ...people] },
  ])('repo $argv.0 $argv.1 asks nobody to sign', async ({ argv }) => {
    const storage = mortalStorage(place.reset('file:R', base));
    place.put('file:R', storage);
    place.workplace.now = new Date(5000);
    const online = ['--online-key', NEW, 'file:K/online.pem', '--reason', 'r'];
    const { code, stderr } = await place.workplace.run('repo', ...argv, ...online);
    place.workplace.now = right;
    expect([code, storage.changes]).toEqual([1, []]);
    expect(stderr).toContain('the clock says 1970-01-01T00:00:05Z');
  });
});

describe('a clock that is behind the one that signed last', () => {
  it.each([
    { days: -3, code: 0 },
    { days: -4, code: 1 },
    { days: -8, code: 1 },
  ])(
    'by $days days: exit $code, for hosts must never find an expired timestamp',
    async ({ days, code }) => {
      expect((await runAt(daysFrom(right, days), REFRESH)).code).toBe(code);
    },
  );

  it('may sign when it is right and the last one was not', async () => {
    await runAt(daysFrom(right, 90), REFRESH);
    const ahead = await place.objects('file:R');
    const refused = await runAt(right, publishArguments('1.1.0'), ahead);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('--allow-earlier-expiry'),
    ]);
    const mended = await runAt(right, [...REFRESH, '--allow-earlier-expiry'], ahead);
    expect(mended.code).toBe(0);
    const after = await place.objects('file:R');
    expect((await runAt(right, publishArguments('1.1.0'), after)).code).toBe(0);
  });
});

describe('an expiry policy under which timestamps live for five weeks', () => {
  const policy = ['--expiry-policy', 'policy.toml'];
  const commands = COMMANDS.map((argv) => ({ argv, command: argv.slice(0, 3).join(' ') }));

  async function signedByPolicy(): Promise<Objects> {
    const path = join(place.workplace.folder, 'policy.toml');
    await writeFile(path, "timestamp_expiration = '5 weeks'\n");
    await runAt(right, [...REFRESH, ...policy]);
    return place.objects('file:R');
  }

  it.each(commands)('is kept by $command, if it is given the file', async ({ argv }) => {
    const { code } = await runAt(right, [...argv, ...policy], await signedByPolicy());
    const { 'metadata/timestamp.json': timestamp = new Uint8Array() } =
      await place.objects('file:R');
    const { signed } = JSON.parse(new TextDecoder().decode(timestamp));
    expect([code, new Date(signed.expires)]).toEqual([0, daysFrom(right, 35)]);
  });

  it.each(commands)('is asked for by $command, if it is not given', async ({ argv }) => {
    const { code, stderr, metadata } = await runAt(right, argv, await signedByPolicy());
    expect([code, metadata]).toEqual([1, []]);
    expect(stderr).toContain('--expiry-policy');
  });
});

describe('a clock that is ahead', () => {
  it.each([
    { case: 'after the repository expired', days: 400, code: 0 },
    { case: 'when a root has been dead for as long as it lived', days: 731, code: 1 },
  ])('$case: exit $code', async ({ days, code }) => {
    expect((await runAt(daysFrom(right, days), REFRESH)).code).toBe(code);
  });
});
