import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { openStorage } from '../../adapters/storage/open.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import {
  initRepository,
  publishArguments,
  publishVersion,
  writeImages,
} from '../support/small-repository.ts';
import { openTufClient } from '../support/tuf-client.ts';

const ONLINE = ['--online-key', 'file:K/online.pem'] as const;
const PEOPLE = [
  '--sign-with',
  'file:K/root1.pem',
  'file:K/root2.pem',
  'file:K/targets.pem',
] as const;
const CAROL = [
  'repo',
  'root',
  'propose',
  'file:R',
  '--add-key',
  'root=file:carol.pub',
  '--reason',
  'Carol joins',
] as const;

async function setup(): Promise<Workplace> {
  const workplace = await makeWorkplace();
  // tuf-js reads the real clock.
  workplace.now = new Date();
  await initRepository(workplace);
  await workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/carol.pem');
  await workplace.must('key', 'public', 'file:K/carol.pem', '--out', 'carol.pub');
  await workplace.must('key', 'new', '--type', 'ecdsa-p256', '--out', 'K/online2.pem');
  return workplace;
}

async function fingerprint(workplace: Workplace, file = 'p.json'): Promise<string> {
  const review = JSON.parse(await workplace.must('repo', 'root', 'review', '--in', file, '--json'));
  return review.fingerprint;
}

async function sign(workplace: Workplace, file: string, key: string): Promise<string> {
  const reviewed = await fingerprint(workplace, file);
  return workplace.must('repo', 'root', 'sign', '--in', file, '--key', key, '--reviewed', reviewed);
}

async function rootVersion(workplace: Workplace): Promise<number> {
  const { roles } = JSON.parse(await workplace.must('repo', 'status', 'file:R', '--json'));
  return roles[0].version;
}

/** Bytes of every metadata file. */
async function sizesOf({ folder }: Workplace): Promise<ReadonlyMap<string, number>> {
  const metadata = join(folder, 'R/metadata');
  const names = (await readdir(metadata)).filter((name) => name.endsWith('.json'));
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, (await stat(join(metadata, name))).size] as const),
    ),
  );
}

async function clientOf(workplace: Workplace) {
  const storage = await openStorage('file:R', {
    access: 'read',
    cwd: workplace.folder,
    env: workplace.env,
  });
  const first = await readFile(join(workplace.folder, 'R/metadata/1.root.json'));
  return openTufClient(storage, first);
}

describe('a ceremony of several people', () => {
  it('adds a root key: propose, review, two signatures on two copies, apply; hosts follow', async () => {
    await using workplace = await setup();
    await using client = await clientOf(workplace);
    await client.read('manifest.json');
    await workplace.must(...CAROL, '--out', 'p.json');
    const review = await workplace.must('repo', 'root', 'review', '--in', 'p.json');
    expect(review).toContain('root: root gets the ed25519 key');
    expect(review).toContain('root, 2 of the keys of root 1: 2 more');
    const copy = (name: string) =>
      copyFile(join(workplace.folder, 'p.json'), join(workplace.folder, name));
    await copy('a.json');
    await copy('b.json');
    await sign(workplace, 'a.json', 'file:K/root1.pem');
    await sign(workplace, 'b.json', 'file:K/root2.pem');
    const apply = ['repo', 'root', 'apply', 'file:R', '--in', 'a.json', 'b.json'] as const;
    expect((await workplace.run(...apply)).code).toBe(2);
    const before = await sizesOf(workplace);
    const dry = JSON.parse(await workplace.must(...apply, '--dry-run', '--json'));
    expect(dry.requirements.map((one: { isMet: boolean }) => one.isMet)).toEqual([true, true]);
    expect(await sizesOf(workplace)).toEqual(before);
    await workplace.must(...apply, ...ONLINE);
    const sent = [...(await sizesOf(workplace))]
      .filter(([name]) => name === 'timestamp.json' || !before.has(name))
      .reduce((total, [, size]) => total + size, 0);
    expect(dry.uploadBytes / sent).toBeGreaterThan(0.75);
    expect(dry.uploadBytes / sent).toBeLessThan(1.35);
    expect(await rootVersion(workplace)).toBe(2);
    expect(await client.read('manifest.json')).not.toEqual([null]);
    const again = await workplace.run('repo', 'root', 'review', 'file:R');
    expect(again).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no proposal is open'),
    });
  });

  it('signs nothing before it was reviewed, and nothing else than what was reviewed', async () => {
    await using workplace = await setup();
    await workplace.must(...CAROL, '--out', 'p.json');
    const before = await readFile(join(workplace.folder, 'p.json'), 'utf8');
    const signing = ['repo', 'root', 'sign', '--in', 'p.json', '--key', 'file:K/root1.pem'];
    const unread = await workplace.run(...signing);
    expect(unread).toMatchObject({ code: 1, stderr: expect.stringContaining('Carol joins') });
    const other = await workplace.run(...signing, '--reviewed', 'a'.repeat(64));
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('another proposal') });
    const short = (await fingerprint(workplace)).slice(0, 8);
    expect((await workplace.run(...signing, '--reviewed', short)).code).toBe(1);
    expect(await readFile(join(workplace.folder, 'p.json'), 'utf8')).toBe(before);
  });

  it('gives another fingerprint to a proposal that was changed on its way', async () => {
    await using workplace = await setup();
    await workplace.must(...CAROL, '--out', 'p.json');
    const reviewed = await fingerprint(workplace);
    const path = join(workplace.folder, 'p.json');
    const text = await readFile(path, 'utf8');
    const proposal = JSON.parse(text);
    proposal.files.root.signed.roles.root.threshold = 1;
    await writeFile(path, JSON.stringify(proposal));
    expect(await fingerprint(workplace)).not.toBe(reviewed);
    const ran = await workplace.run(
      ...['repo', 'root', 'sign', '--in', 'p.json', '--key', 'file:K/root1.pem'],
      ...['--reviewed', reviewed],
    );
    expect(ran.code).toBe(1);
  });

  it('names who is missing instead of applying too few signatures', async () => {
    await using workplace = await setup();
    await workplace.must(...CAROL, '--out', 'p.json');
    await sign(workplace, 'p.json', 'file:K/root1.pem');
    const ran = await workplace.run('repo', 'root', 'apply', 'file:R', '--in', 'p.json', ...ONLINE);
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('1 of 2, missing') });
    expect(await rootVersion(workplace)).toBe(1);
  });

  it('refuses a key that signs nothing in the proposal', async () => {
    await using workplace = await setup();
    await workplace.must(...CAROL, '--out', 'p.json');
    const ran = await workplace.run(
      ...['repo', 'root', 'sign', '--in', 'p.json', '--key', 'file:K/release.pem'],
      ...['--reviewed', await fingerprint(workplace)],
    );
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('signs nothing') });
  });

  it('has one proposal open at a time, until it is cancelled', async () => {
    await using workplace = await setup();
    await workplace.must(...CAROL, '--out', 'p.json');
    const second = await workplace.run(...CAROL, '--threshold', 'root=1', '--out', 'q.json');
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('Carol joins') });
    await workplace.must('repo', 'root', 'cancel', 'file:R');
    await workplace.must(...CAROL, '--out', 'q.json');
    const stale = await workplace.run(
      'repo',
      'root',
      'apply',
      'file:R',
      '--in',
      'p.json',
      ...ONLINE,
    );
    expect(stale).toMatchObject({ code: 1, stderr: expect.stringContaining('is not open') });
  });

  it('refuses a proposal when the repository moved on meanwhile', async () => {
    await using workplace = await setup();
    await workplace.must(...CAROL, '--out', 'p.json');
    await sign(workplace, 'p.json', 'file:K/root1.pem');
    await sign(workplace, 'p.json', 'file:K/root2.pem');
    const open = await readFile(join(workplace.folder, 'R/proposals/open.json'));
    await workplace.must('repo', 'root', 'cancel', 'file:R');
    await workplace.must(
      ...['repo', 'root', 'propose', 'file:R', '--renew', 'root', '--reason', 'yearly'],
      ...PEOPLE,
      ...ONLINE,
    );
    await writeFile(join(workplace.folder, 'R/proposals/open.json'), open);
    const ran = await workplace.run('repo', 'root', 'apply', 'file:R', '--in', 'p.json', ...ONLINE);
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('root 2 by now') });
    expect(await rootVersion(workplace)).toBe(2);
  });

  it('prints the review on a dry run, opens no key and writes nothing', async () => {
    await using workplace = await setup();
    const ran = await workplace.must(
      ...CAROL,
      '--dry-run',
      '--sign-with',
      'file:absent.pem',
      '--json',
    );
    expect(JSON.parse(ran)).toMatchObject({
      dryRun: true,
      diffs: [{ role: 'root', changes: [{ kind: 'key-added', of: 'root' }] }],
    });
    expect((await workplace.run('repo', 'root', 'cancel', 'file:R')).code).toBe(1);
  });

  it.each([
    { case: 'neither --out nor --online-key', more: [] },
    { case: 'both of them', more: ['--out', 'p.json', ...ONLINE] },
  ])('is called wrongly with $case', async ({ more }) => {
    await using workplace = await setup();
    expect((await workplace.run(...CAROL, ...more)).code).toBe(2);
  });

  it.each([
    { case: 'a threshold above the number of keys', more: ['--threshold', 'root=9'] },
    { case: 'a key that is there already', more: ['--add-key', 'root=file:K/root1.pem'] },
    { case: 'removing a key that is not there', more: ['--remove-key', 'root=abcd'] },
    { case: 'a role that nobody delegates', more: ['--add-key', 'nobody=file:K/root1.pem'] },
    { case: 'a change of nothing', more: [] },
  ])('refuses $case', async ({ more }) => {
    await using workplace = await setup();
    const ran = await workplace.run(
      ...['repo', 'root', 'propose', 'file:R', '--reason', 'r', '--out', 'p.json'],
      ...more,
    );
    expect(ran.code).toBe(1);
    expect((await workplace.run('repo', 'root', 'review', 'file:R')).code).toBe(1);
  });
});

describe('a proposal that lies about what it replaces', () => {
  it('still shows every key that may sign afterwards, and is refused by a root that the signer has', async () => {
    await using workplace = await setup();
    await workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/mallory.pem');
    await workplace.must(...CAROL, '--out', 'p.json');
    const path = join(workplace.folder, 'p.json');
    const proposal = JSON.parse(await readFile(path, 'utf8'));
    const mallory = JSON.parse(await workplace.must('key', 'show', 'file:K/mallory.pem', '--json'));
    for (const { root } of [proposal.base, proposal.files]) {
      root.signed.keys[mallory.keyId] = mallory.key;
      root.signed.roles.root.keyids.push(mallory.keyId);
    }
    await writeFile(path, JSON.stringify(proposal));
    const lines = (await workplace.run('repo', 'root', 'review', '--in', 'p.json')).stdout;
    expect(lines.slice(lines.indexOf('who may sign from then on'))).toContain(mallory.keyId);
    expect(lines).toContain('the present root is not signed by enough of its own keys');
    const own = ['--root', 'R/metadata/1.root.json', '--json'];
    const { problems } = JSON.parse(
      await workplace.must('repo', 'root', 'review', '--in', 'p.json', ...own),
    );
    expect(problems[0]).toContain('do not vouch');
    const signing = await workplace.run(
      ...['repo', 'root', 'sign', '--in', 'p.json', '--key', 'file:K/root1.pem'],
      ...['--reviewed', await fingerprint(workplace)],
    );
    expect(signing).toMatchObject({ code: 1, stderr: expect.stringContaining('not signed') });
  });

  it('is no problem on top of the root that the signer has, or of its successor', async () => {
    await using workplace = await setup();
    for (const reason of ['first', 'second']) {
      const renew = ['repo', 'root', 'propose', 'file:R', '--renew', 'root', '--reason', reason];
      await workplace.must(...renew, '--out', `${reason}.json`);
      const own = ['--root', 'R/metadata/1.root.json', '--json'];
      const reviewing = ['repo', 'root', 'review', '--in', `${reason}.json`];
      const review = await workplace.must(...reviewing, ...own);
      expect(JSON.parse(review).problems).toEqual([]);
      for (const key of ['root1', 'root2'])
        await sign(workplace, `${reason}.json`, `file:K/${key}.pem`);
      await workplace.must(
        ...['repo', 'root', 'apply', 'file:R', '--in', `${reason}.json`, ...ONLINE],
      );
    }
  });
});

describe('tidegate repo rotate', () => {
  it.each(['root', 'targets', 'snapshot', 'timestamp', 'online', 'releases-aws-k8s-1.32-x86_64'])(
    'gives %s a new key, and a client of the first root still updates',
    async (role) => {
      await using workplace = await setup();
      await publishVersion(workplace, '1.0.0');
      await using client = await clientOf(workplace);
      await client.read('manifest.json');
      await workplace.must(
        ...[
          'repo',
          'rotate',
          role,
          'file:R',
          '--new-key',
          'file:K/online2.pem',
          '--reason',
          'yearly',
        ],
        ...['--threshold', '1'],
        ...[...PEOPLE, 'file:K/online2.pem', ...ONLINE, 'file:K/online2.pem'],
      );
      const [document] = await client.read('aws-k8s-1.32-x86_64-1.0.0-release.json');
      expect(JSON.parse(document ?? '')).toMatchObject({ version: '1.0.0' });
      await workplace.must('repo', 'verify', 'file:R');
    },
  );

  it('leaves every one of 12 successive roots a starting point', async () => {
    await using workplace = await setup();
    for (let round = 2; round <= 12; round += 1) {
      const key = round % 2 === 0 ? 'file:K/online2.pem' : 'file:K/online.pem';
      await workplace.must(
        ...['repo', 'rotate', 'online', 'file:R', '--new-key', key, '--reason', `round ${round}`],
        ...[...PEOPLE, '--online-key', key],
      );
    }
    expect(await rootVersion(workplace)).toBe(12);
    const storage = await openStorage('file:R', {
      access: 'read',
      cwd: workplace.folder,
      env: workplace.env,
    });
    for (let version = 1; version <= 12; version += 1) {
      const root = await readFile(join(workplace.folder, `R/metadata/${version}.root.json`));
      await using client = await openTufClient(storage, root);
      expect(await client.read('manifest.json')).not.toEqual([null]);
    }
  });
});

describe('tidegate repo recover', () => {
  it('starts versions again with new online keys', async () => {
    await using workplace = await setup();
    await using client = await clientOf(workplace);
    for (let count = 0; count < 3; count += 1) {
      await workplace.must('repo', 'refresh', 'file:R', '--key', 'file:K/online.pem');
    }
    await client.read('manifest.json');
    await workplace.must(
      ...[
        'repo',
        'recover',
        'file:R',
        '--new-online-key',
        'file:K/online2.pem',
        '--reason',
        'stolen',
      ],
      ...[...PEOPLE, '--online-key', 'file:K/online2.pem'],
    );
    const { roles } = JSON.parse(await workplace.must('repo', 'status', 'file:R', '--json'));
    expect(roles.at(-1)).toMatchObject({ role: 'timestamp', version: 1 });
    expect(await client.read('manifest.json')).not.toEqual([null]);
  });

  it('refuses an online key that is known already, for hosts would not forget', async () => {
    await using workplace = await setup();
    const ran = await workplace.run(
      ...[
        'repo',
        'recover',
        'file:R',
        '--new-online-key',
        'file:K/online.pem',
        '--reason',
        'stolen',
      ],
      ...[...PEOPLE, ...ONLINE],
    );
    expect(ran.code).toBe(2);
  });
});

describe('tidegate repo delegate', () => {
  it('adds a variant whose key then publishes, and removes it again', async () => {
    await using workplace = await setup();
    const ecs = ['aws-ecs-2:aarch64=file:K/online2.pem'];
    await workplace.must(
      ...['repo', 'delegate', 'add', 'file:R', ...ecs, '--reason', 'ECS'],
      ...[...PEOPLE, 'file:K/online2.pem', ...ONLINE],
    );
    await writeImages(workplace, 'ecs');
    await workplace.must(
      ...['publish', 'file:R', '--variant', 'aws-ecs-2', '--arch', 'aarch64', '--version', '1.0.0'],
      ...['--image', 'boot=b.img', '--release-key', 'file:K/online2.pem', ...ONLINE],
    );
    await workplace.must('repo', 'verify', 'file:R');
    await workplace.must(
      ...['repo', 'delegate', 'remove', 'file:R', 'aws-ecs-2:aarch64', '--reason', 'end of life'],
      ...[...PEOPLE, ...ONLINE],
    );
    const { releases } = JSON.parse(await workplace.must('repo', 'status', 'file:R', '--json'));
    expect(releases).toEqual([]);
    await workplace.must('repo', 'verify', 'file:R');
  });

  it('replaces a release key: the new one publishes on, the old one no more', async () => {
    await using workplace = await setup();
    await publishVersion(workplace, '1.0.0');
    await workplace.must(
      ...['repo', 'delegate', 'replace', 'file:R', 'aws-k8s-1.32:x86_64=file:K/carol.pem'],
      ...['--reason', 'new HSM', ...PEOPLE, 'file:K/carol.pem', ...ONLINE],
    );
    await writeImages(workplace, '1.1.0');
    expect((await workplace.run(...publishArguments('1.1.0'))).code).toBe(1);
    const arguments_ = publishArguments('1.1.0').map((text) =>
      text === 'file:K/release.pem' ? 'file:K/carol.pem' : text,
    );
    await workplace.must(...arguments_);
  });

  it('names the releases that nobody signed anew when the new release key is not at hand', async () => {
    await using workplace = await setup();
    await publishVersion(workplace, '1.0.0');
    const ran = await workplace.run(
      ...['repo', 'delegate', 'replace', 'file:R', 'aws-k8s-1.32:x86_64=file:carol.pub'],
      ...['--reason', 'new HSM', ...PEOPLE, ...ONLINE],
    );
    expect(ran).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('releases-aws-k8s-1.32-x86_64 by the keys of'),
    });
    expect((await workplace.run('repo', 'root', 'review', 'file:R')).code).toBe(1);
    await workplace.must('repo', 'verify', 'file:R');
  });

  it('refuses a variant whose names another one owns', async () => {
    await using workplace = await setup();
    const ran = await workplace.run(
      ...['repo', 'delegate', 'add', 'file:R', 'aws-k8s-1.32-x86_64-b:x86_64=file:carol.pub'],
      ...['--reason', 'r', ...PEOPLE, 'file:K/carol.pem', ...ONLINE],
    );
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('one-owner') });
  });
});

describe('tidegate repo init --out', () => {
  it('makes a repository whose keys no one person ever had together', async () => {
    await using workplace = await makeWorkplace();
    workplace.now = new Date();
    for (const name of ['alice', 'bob', 'targets', 'online', 'release']) {
      await workplace.must('key', 'new', '--type', 'ed25519', '--out', `K/${name}.pem`);
      await workplace.must('key', 'public', `file:K/${name}.pem`, '--out', `${name}.pub`);
    }
    await workplace.must(
      ...[
        'repo',
        'init',
        'file:R',
        '--root-key',
        'file:alice.pub',
        'file:bob.pub',
        '--out',
        'p.json',
      ],
      ...['--targets-key', 'file:targets.pub', '--online-key', 'file:online.pub'],
      ...['--release-key', 'aws-k8s-1.32:x86_64=file:release.pub'],
    );
    expect((await workplace.run('repo', 'status', 'file:R')).code).toBe(1);
    const apply = ['repo', 'root', 'apply', 'file:R', '--in', 'p.json', ...ONLINE];
    for (const name of ['alice', 'targets', 'release']) {
      await sign(workplace, 'p.json', `file:K/${name}.pem`);
    }
    expect(await workplace.run(...apply)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('1 of 2, missing'),
    });
    await sign(workplace, 'p.json', 'file:K/bob.pem');
    await workplace.must(...apply);
    await publishVersion(workplace, '1.0.0');
    await workplace.must('repo', 'verify', 'file:R');
  });
});
