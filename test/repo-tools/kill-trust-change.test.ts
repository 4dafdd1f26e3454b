import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { killEverywhere, standStill } from '../support/kill-everywhere.ts';
import { makeMemoryPlace } from '../support/memory-place.ts';
import type { MemoryPlace, Objects } from '../support/memory-place.ts';
import { mortalStorage } from '../support/mortal-storage.ts';
import { initRepository, ONLINE, publishVersion } from '../support/small-repository.ts';

const PEOPLE = ['--sign-with', 'file:K/root1.pem', 'file:K/root2.pem', 'file:K/targets.pem'];
const NEW = 'file:K/new.pem';
const ROLE = 'releases-aws-k8s-1.32-x86_64';
const REASON = ['--reason', 'a reason'];

let place: MemoryPlace;
let base: Objects;

beforeAll(async () => {
  place = await makeMemoryPlace();
  standStill(place.workplace.now);
  await initRepository(place.workplace);
  await publishVersion(place.workplace, '1.0.0');
  await place.workplace.must('key', 'new', '--type', 'ecdsa-p256', '--out', 'K/new.pem');
  base = await place.objects('file:R');
});

afterAll(() => place[Symbol.asyncDispose]());

async function sign(file: string, ...keys: readonly string[]): Promise<void> {
  const { workplace } = place;
  const review = await workplace.must('repo', 'root', 'review', '--in', file, '--json');
  const { fingerprint } = JSON.parse(review);
  for (const key of keys) {
    await workplace.must(
      ...['repo', 'root', 'sign', '--in', file, '--key', key, '--reviewed', fingerprint],
    );
  }
}

describe('a change of trust that is killed at any put or deletion', () => {
  // A key of snapshot or timestamp changes with the root that names it: between the two puts hosts must wait.
  it.each([
    { role: 'root', online: 'online', changes: 3, gaps: 0 },
    { role: 'targets', online: 'online', changes: 6, gaps: 1 },
    { role: 'online', online: 'new', changes: 7, gaps: 1 },
    { role: 'snapshot', online: 'new', changes: 5, gaps: 1 },
    { role: ROLE, online: 'online', changes: 6, gaps: 0 },
  ])(
    'repo rotate $role is finished by the same command',
    async ({ role, online, changes, gaps }) => {
      place.reset('file:R', base);
      const killed = await killEverywhere(place, {
        argv: [
          ...['repo', 'rotate', role, 'file:R', '--new-key', NEW, '--threshold', '1', ...REASON],
          ...[...PEOPLE, NEW, ...ONLINE, `file:K/${online}.pem`],
        ],
      });
      expect([killed.changes.length, killed.gaps]).toEqual([changes, gaps]);
    },
  );

  it('repo recover is finished by the same command', async () => {
    place.reset('file:R', base);
    const killed = await killEverywhere(place, {
      argv: [
        ...['repo', 'recover', 'file:R', '--new-online-key', NEW, ...REASON],
        ...[...PEOPLE, '--online-key', NEW],
      ],
    });
    expect([killed.changes.length, killed.gaps]).toEqual([7, 1]);
  });

  it.each([
    { command: 'add', what: `aws-ecs-2:aarch64=${NEW}`, changes: 6 },
    { command: 'replace', what: `aws-k8s-1.32:x86_64=${NEW}`, changes: 6 },
    { command: 'remove', what: 'aws-k8s-1.32:x86_64', changes: 5 },
  ])(
    'repo delegate $command is finished by the same command',
    async ({ command, what, changes }) => {
      place.reset('file:R', base);
      const killed = await killEverywhere(place, {
        argv: [
          ...['repo', 'delegate', command, 'file:R', what, ...REASON],
          ...[...PEOPLE, NEW, ...ONLINE],
        ],
      });
      expect(killed.changes).toHaveLength(changes);
    },
  );
});

describe('a ceremony that is killed at any put or deletion', () => {
  const propose = ['repo', 'root', 'propose', 'file:R', '--add-key', `root=${NEW}`, ...REASON];
  const init = [
    ...['repo', 'init', 'file:R', '--root-key', 'file:K/root1.pem', '--out', 'i.json'],
    ...['--targets-key', 'file:K/targets.pem', ...ONLINE],
    ...['--release-key', 'aws-k8s-1.32:x86_64=file:K/release.pem'],
  ];
  const apply = (file: string) => ['repo', 'root', 'apply', 'file:R', '--in', file, ...ONLINE];

  it('propose writes the proposal that is open', async () => {
    place.reset('file:R', base);
    const killed = await killEverywhere(place, {
      argv: [...propose, '--out', 'p.json'],
      makes: ['p.json'],
    });
    expect(killed.changes).toEqual(['proposals/open.json']);
  });

  it('cancel leaves the proposal open or not', async () => {
    place.reset('file:R', base);
    await place.workplace.must(...propose, '--out', 'cancelled.json');
    const killed = await killEverywhere(place, { argv: ['repo', 'root', 'cancel', 'file:R'] });
    expect(killed.changes).toEqual(['proposals/open.json']);
  });

  it('apply is finished by the same command', async () => {
    place.reset('file:R', base);
    await place.workplace.must(...propose, '--out', 'a.json');
    await sign('a.json', 'file:K/root1.pem', 'file:K/root2.pem');
    const killed = await killEverywhere(place, { argv: apply('a.json') });
    expect(killed.changes).toEqual(['metadata/2.root.json', 'proposals/open.json']);
  });

  it('repo init --out writes the proposal that is open, and apply makes the repository', async () => {
    place.reset('file:R', {});
    const proposed = await killEverywhere(place, { argv: init, makes: ['i.json'] });
    expect(proposed.changes).toEqual(['proposals/open.json']);
    await sign('i.json', 'file:K/root1.pem', 'file:K/targets.pem', 'file:K/release.pem');
    const applied = await killEverywhere(place, { argv: apply('i.json') });
    expect(applied.changes).toHaveLength(8);
  });
});

describe('an open proposal that is not what the same command left', () => {
  const replace = (reason: string) => [
    ...['repo', 'delegate', 'replace', 'file:R', `aws-k8s-1.32:x86_64=${NEW}`, '--reason', reason],
    ...[...PEOPLE, NEW, ...ONLINE],
  ];
  const OPEN = 'proposals/open.json';

  async function interrupted(): Promise<{ readonly open: string }> {
    const inner = place.reset('file:R', base);
    const mortal = mortalStorage(inner);
    const death = mortal.killAt(1, 'after');
    place.put('file:R', mortal);
    void place.workplace.run(...replace('new HSM'));
    await death;
    place.put('file:R', inner);
    const { [OPEN]: open = new Uint8Array() } = await place.objects('file:R');
    return { open: Buffer.from(open).toString() };
  }

  it('is not carried on with when the reason is another one', async () => {
    await interrupted();
    const ran = await place.workplace.run(...replace('another HSM'));
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('new HSM') });
  });

  it('is not carried on with when somebody has put releases in it, and nothing is signed', async () => {
    const { open } = await interrupted();
    const planted = JSON.parse(open);
    const file = planted.files.delegated[ROLE];
    file.signatures = [];
    file.signed.targets['aws-k8s-1.32-x86_64-9.9.9-root'] = {
      length: 1,
      hashes: { sha256: '0'.repeat(64) },
    };
    const objects = { ...base, [OPEN]: Buffer.from(JSON.stringify(planted)) };
    place.reset('file:R', objects);
    const ran = await place.workplace.run(...replace('new HSM'));
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('is open') });
    expect(await place.objects('file:R')).toEqual(objects);
  });
});
