import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import {
  initRepository,
  ONLINE,
  PLATFORM,
  publishArguments,
  publishVersion,
  writeImages,
} from '../support/small-repository.ts';

async function setup() {
  const workplace = await makeWorkplace();
  await initRepository(workplace);
  await publishVersion(workplace, '1.10.0', '--rollback-to', '1.9.0', '--minimum-from', '1.9.0');
  await publishVersion(workplace, '1.9.0');
  return workplace;
}

async function start(workplace: Workplace, version: string): Promise<string> {
  const where = ['--storage', 'file:R', ...ONLINE];
  return workplace.must('rollout', 'start', ...PLATFORM, '--version', version, ...where);
}

async function list(workplace: Workplace, ...more: readonly string[]) {
  const out = await workplace.must('release', 'list', 'file:R', '--json', ...more);
  return JSON.parse(out).releases;
}

const show = (version: string) =>
  ['release', 'show', 'file:R', ...PLATFORM, '--version', version] as const;

describe('tidegate release list', () => {
  it('lists releases in the order of their versions, with sizes, terms and what rollouts do', async () => {
    await using workplace = await setup();
    const id = await start(workplace, '1.10.0');
    const releases = await list(workplace);
    expect(releases).toMatchObject([
      { version: '1.9.0', minimumFrom: null, rollbackTo: [], rollout: null },
      {
        ...{ version: '1.10.0', minimumFrom: '1.9.0', rollbackTo: ['1.9.0'] },
        ...{ createdAt: '2026-03-01T12:00:00Z' },
        rollout: { id, state: 'running', phase: 'complete', isGiven: true },
      },
    ]);
    expect(releases[0].images[0]).toMatchObject({
      image: 'boot',
      stored: { length: 'boot image 1.9.0'.length },
    });
    expect(await workplace.must('release', 'list', 'file:R')).toContain('given now');
  });

  it('tells a release that is not given any more from one that is', async () => {
    await using workplace = await setup();
    const id = await start(workplace, '1.10.0');
    await workplace.must(
      ...['rollout', 'rollback', id, '--to', '1.9.0', '--reason', 'boot loop', '--yes'],
      ...['--storage', 'file:R', ...ONLINE],
    );
    expect(await list(workplace)).toMatchObject([
      { version: '1.9.0', wayBackOf: [{ id, version: '1.10.0' }] },
      { rollout: { state: 'rolled-back', isGiven: false, sentBackTo: '1.9.0' } },
    ]);
  });

  it('lists only what fits the filter', async () => {
    await using workplace = await setup();
    expect(await list(workplace, '--arch', 'aarch64')).toEqual([]);
    expect(await list(workplace, '--variant', 'aws-k8s-1.32')).toHaveLength(2);
  });
});

describe('tidegate release show', () => {
  it('shows the document, the signers, and stored and raw images', async () => {
    await using workplace = await setup();
    const shown = JSON.parse(await workplace.must(...show('1.10.0'), '--json'));
    const keyId = JSON.parse(await workplace.must('key', 'show', 'file:K/release.pem', '--json'));
    expect(shown.signatures).toMatchObject({
      role: 'releases-aws-k8s-1.32-x86_64',
      threshold: 1,
      signedBy: [keyId.keyId],
    });
    expect(shown.terms).toMatchObject({ version: '1.10.0', rollbackTo: ['1.9.0'], verity: null });
    const text = await workplace.must(...show('1.10.0'));
    expect(text).toContain('hosts below 1.9.0 must step through an earlier release');
    expect(text).toContain('provenance: none');
  });

  it('prints where the images come from', async () => {
    await using workplace = await setup();
    const sha256 = createHash('sha256').update('boot image').digest('hex');
    await writeFile(join(workplace.folder, 'b.img'), 'boot image');
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'b.img', digest: { sha256 } }],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: { buildType: 'https://example.com/build' },
        runDetails: { builder: { id: 'https://example.com/builder' } },
      },
    };
    await writeFile(join(workplace.folder, 'statement.json'), JSON.stringify(statement));
    await workplace.must(
      ...['publish', 'file:R', ...PLATFORM, '--version', '1.11.0', '--image', 'boot=b.img'],
      ...['--provenance', 'statement.json', '--release-key', 'file:K/release.pem', ...ONLINE],
    );
    const text = await workplace.must(...show('1.11.0'));
    expect(text).toContain('built by https://example.com/builder');
    expect(text).toContain(`about b.img: sha256 ${sha256}`);
  });

  it.each([
    { case: 'a version that is not published', argv: show('2.0.0'), code: 1 },
    { case: 'a version that is none', argv: show('two'), code: 1 },
    { case: 'no version', argv: ['release', 'show', 'file:R', ...PLATFORM], code: 2 },
    { case: 'a storage that holds no repository', argv: ['release', 'list', 'file:E'], code: 1 },
  ])('refuses $case', async ({ argv, code }) => {
    await using workplace = await setup();
    expect((await workplace.run(...argv)).code).toBe(code);
  });
});

const REASON = ['--reason', 'tested the way back'] as const;
const KEYS = ['--release-key', 'file:K/release.pem', ...ONLINE] as const;
const amend = (version: string, ...more: readonly string[]) =>
  ['release', 'amend', 'file:R', ...PLATFORM, '--version', version, ...more] as const;

async function objects(workplace: Workplace): Promise<readonly string[]> {
  return (await readdir(join(workplace.folder, 'R'), { recursive: true })).toSorted();
}

describe('tidegate release amend', () => {
  it('changes the document and the rollouts that repeat it in one commit, and tells what changed', async () => {
    await using workplace = await setup();
    const id = await start(workplace, '1.10.0');
    const before = JSON.parse(await workplace.must(...show('1.10.0'), '--json')).document.sha256;
    workplace.now = new Date('2026-03-02T12:00:00Z');
    const amended = JSON.parse(
      await workplace.must(
        ...amend('1.10.0', '--rollback-to', '1.9.0', '1.8.0', '--minimum-from', 'none'),
        ...[...REASON, ...KEYS, '--json'],
      ),
    );
    expect(amended).toMatchObject({
      isWritten: true,
      changes: [
        { field: 'rollbackTo', before: ['1.9.0'], after: ['1.9.0', '1.8.0'] },
        { field: 'minimumFrom', before: ['1.9.0'], after: [] },
      ],
      rollouts: [id],
      warnings: ['rollbackTo names 1.8.0, which is not published'],
    });
    const shown = JSON.parse(await workplace.must(...show('1.10.0'), '--json'));
    expect(shown.terms).toMatchObject({
      ...{ rollbackTo: ['1.9.0', '1.8.0'], minimumFrom: null },
      amended: [{ at: '2026-03-02T12:00:00Z', reason: 'tested the way back', before }],
    });
    const kept = `targets/${before}.aws-k8s-1.32-x86_64-1.10.0-release.json`;
    expect(await objects(workplace)).toContain(kept);
    await workplace.must(...amend('1.10.0', '--notes', 'https://a.test/', ...REASON, ...KEYS));
    const history = JSON.parse(await workplace.must(...show('1.10.0'), '--json')).amendments;
    expect(history).toMatchObject([
      { before, changes: amended.changes },
      { changes: [{ field: 'notes', before: [], after: ['https://a.test/'] }] },
    ]);
    const { failures } = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(failures).toEqual([]);
  });

  it('does not show a document that somebody changed in the storage as what was amended', async () => {
    await using workplace = await setup();
    await workplace.must(...amend('1.10.0', '--minimum-from', 'none', ...REASON, ...KEYS));
    const [{ before }] = JSON.parse(await workplace.must(...show('1.10.0'), '--json')).amendments;
    const path = join(
      workplace.folder,
      `R/targets/${before}.aws-k8s-1.32-x86_64-1.10.0-release.json`,
    );
    const bytes = await readFile(path, 'utf8');
    await writeFile(path, bytes.replace('"minimumFrom": "1.9.0"', '"minimumFrom": "1.8.0"'));
    const text = await workplace.must(...show('1.10.0'));
    expect(text).toContain('not in this storage');
    expect(text).not.toContain('1.8.0');
  });

  it('lets a rollout go back where it could not before', async () => {
    await using workplace = await setup();
    const id = await start(workplace, '1.10.0');
    await publishVersion(workplace, '1.8.0');
    const back = [
      ...['rollout', 'rollback', id, '--to', '1.8.0', '--reason', 'boot loop', '--yes'],
      ...['--storage', 'file:R', ...ONLINE],
    ];
    expect((await workplace.run(...back)).code).toBe(1);
    await workplace.must(...amend('1.10.0', '--rollback-to', '1.8.0', ...REASON, ...KEYS));
    await workplace.must(...back);
    const taken = await workplace.run(
      ...amend('1.10.0', '--rollback-to', 'none', ...REASON, ...KEYS),
    );
    expect(taken.stderr).toContain('which their release does not permit any more');
  });

  it('changes nothing the second time', async () => {
    await using workplace = await setup();
    const again = amend('1.9.0', '--notes', 'https://example.com/n', ...REASON, ...KEYS, '--json');
    await workplace.must(...again);
    const before = await objects(workplace);
    workplace.now = new Date('2026-03-02T12:00:00Z');
    expect(JSON.parse(await workplace.must(...again))).toMatchObject({
      ...{ isWritten: false, changes: [], needed: [] },
    });
    expect(await objects(workplace)).toEqual(before);
  });

  it('tells without a key what it would do, and writes nothing', async () => {
    await using workplace = await setup();
    await start(workplace, '1.10.0');
    const before = await objects(workplace);
    const dry = amend('1.10.0', '--rollback-to', 'none', ...REASON, '--dry-run');
    const plan = JSON.parse(await workplace.must(...dry, '--json'));
    expect(plan.needed.map(({ role }: { role: string }) => role)).toEqual([
      ...['releases-aws-k8s-1.32-x86_64', 'rollouts', 'snapshot', 'timestamp'],
    ]);
    expect(plan).toMatchObject({ isWritten: false, changes: [{ after: [] }] });
    const text = await workplace.must(...dry);
    expect(text).toContain('rollbackTo: 1.9.0 -> none');
    expect(text).toContain('hosts that run 1.10.0 may not be sent back to 1.9.0 any more');
    expect(await objects(workplace)).toEqual(before);
  });

  it('leaves the manifest alone when no rollout repeats the terms', async () => {
    await using workplace = await setup();
    const dry = amend('1.10.0', '--rollback-to', 'none', ...REASON, '--dry-run', '--json');
    expect(JSON.parse(await workplace.must(...dry)).needed).toHaveLength(3);
  });

  it('keeps both when somebody publishes at the same time', async () => {
    await using workplace = await setup();
    await writeFile(join(workplace.folder, 'late.img'), 'late image');
    await Promise.all([
      workplace.must(...amend('1.9.0', '--rollback-to', '1.8.0', ...REASON, ...KEYS)),
      workplace.must(
        ...['publish', 'file:R', ...PLATFORM, '--version', '1.11.0', '--image', 'boot=late.img'],
        ...KEYS,
      ),
      workplace.must(...amend('1.10.0', '--minimum-from', '1.8.0', ...REASON, ...KEYS)),
    ]);
    expect(await list(workplace)).toMatchObject([
      { version: '1.9.0', rollbackTo: ['1.8.0'] },
      { version: '1.10.0', minimumFrom: '1.8.0' },
      { version: '1.11.0' },
    ]);
  });

  it('refuses to publish the version again on the terms it had before', async () => {
    await using workplace = await setup();
    const again = [
      ...['publish', 'file:R', ...PLATFORM, '--version', '1.9.0', '--image', 'boot=b.img'],
      ...['--image', 'root=r.img.zst', '--image', 'hash=h.img', ...KEYS],
    ];
    await workplace.must(...again);
    await workplace.must(...amend('1.9.0', '--rollback-to', '1.8.0', ...REASON, ...KEYS));
    expect((await workplace.run(...again)).code).toBe(1);
    await workplace.must(...again, '--rollback-to', '1.8.0');
  });

  it.each([
    { case: 'no change', more: [...REASON, ...KEYS], code: 2 },
    { case: 'no reason', more: ['--notes', 'none', ...KEYS], code: 2 },
    { case: 'an empty reason', more: ['--notes', 'none', '--reason', ' ', ...KEYS], code: 2 },
    { case: 'no keys', more: ['--notes', 'none', ...REASON], code: 2 },
    {
      case: 'none beside a version',
      more: ['--rollback-to', 'none', '1.8.0', ...REASON, ...KEYS],
      code: 2,
    },
    { case: 'a way forward', more: ['--rollback-to', '2.0.0', ...REASON, ...KEYS], code: 1 },
    { case: 'a version that is none', more: ['--minimum-from', 'x', ...REASON, ...KEYS], code: 1 },
    { case: 'notes that are no address', more: ['--notes', 'x', ...REASON, ...KEYS], code: 1 },
    {
      case: 'a key that may not sign the role',
      more: ['--rollback-to', 'none', ...REASON, '--release-key', 'file:K/root1.pem', ...ONLINE],
      code: 1,
    },
    {
      case: 'an online key that may not sign rollouts',
      more: [
        ...['--rollback-to', 'none', ...REASON, '--release-key', 'file:K/release.pem'],
        ...['--online-key', 'file:K/root1.pem'],
      ],
      code: 1,
    },
  ])('refuses $case', async ({ more, code }) => {
    await using workplace = await setup();
    await start(workplace, '1.10.0');
    const before = await objects(workplace);
    expect((await workplace.run(...amend('1.10.0', ...more))).code).toBe(code);
    expect(await objects(workplace)).toEqual(before);
  });

  it('refuses a version that is not published', async () => {
    await using workplace = await setup();
    const argv = amend('3.0.0', '--notes', 'none', ...REASON, ...KEYS);
    expect((await workplace.run(...argv)).code).toBe(1);
  });
});

const withdraw = (version: string, ...more: readonly string[]) =>
  [
    ...['release', 'withdraw', 'file:R', ...PLATFORM, '--version', version],
    ...['--reason', 'leaks credentials', ...more],
  ] as const;

describe('tidegate release withdraw', () => {
  it('takes the images out of the role and keeps the document, marked', async () => {
    await using workplace = await setup();
    const withdrawn = JSON.parse(await workplace.must(...withdraw('1.10.0', ...KEYS, '--json')));
    expect(withdrawn).toMatchObject({
      isWritten: true,
      removed: ['boot', 'root.zst', 'hash'].map((end) => `aws-k8s-1.32-x86_64-1.10.0-${end}`),
    });
    expect(withdrawn.effects).toContain(
      'hosts that run 1.10.0 keep it; they may be sent back to 1.9.0, as before',
    );
    expect((await list(workplace))[1]).toMatchObject({
      rollbackTo: ['1.9.0'],
      withdrawn: { at: '2026-03-01T12:00:00Z', reason: 'leaks credentials' },
      images: [{ stored: null }, { stored: null }, { stored: null }],
    });
    expect(await workplace.must(...show('1.10.0'))).toContain('WITHDRAWN 2026-03-01T12:00:00Z');
    const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(report.failures).toEqual([]);
    await workplace.must('repo', 'lint', 'file:R');
  });

  it('is marked in the status of the repository', async () => {
    await using workplace = await setup();
    await workplace.must(...withdraw('1.10.0', ...KEYS));
    const { releases } = JSON.parse(await workplace.must('repo', 'status', 'file:R', '--json'));
    const marked = releases.filter(({ isWithdrawn }: { isWithdrawn: boolean }) => isWithdrawn);
    expect(marked).toMatchObject([{ version: '1.10.0' }]);
    expect(releases.length).toBeGreaterThan(1);
    const words = await workplace.must('repo', 'status', 'file:R');
    expect(words).toMatch(/1\.10\.0 WITHDRAWN$/m);
    expect(words).toMatch(/1\.9\.0$/m);
  });

  it('withdraws once only', async () => {
    await using workplace = await setup();
    await workplace.must(...withdraw('1.10.0', ...KEYS));
    const before = await objects(workplace);
    workplace.now = new Date('2026-03-02T12:00:00Z');
    const again = JSON.parse(await workplace.must(...withdraw('1.10.0', ...KEYS, '--json')));
    expect(again).toMatchObject({ isWritten: false, removed: [] });
    expect(await objects(workplace)).toEqual(before);
  });

  it('tells without a key what it would do, and writes nothing', async () => {
    await using workplace = await setup();
    const before = await objects(workplace);
    const dry = withdraw('1.10.0', '--dry-run');
    expect(JSON.parse(await workplace.must(...dry, '--json'))).toMatchObject({
      isWritten: false,
      needed: [
        ...['releases-aws-k8s-1.32-x86_64', 'snapshot', 'timestamp'].map((role) => ({ role })),
      ],
    });
    expect(await workplace.must(...dry)).toContain('dry run: nothing was written');
    expect(await objects(workplace)).toEqual(before);
  });

  it.each(['running', 'paused'])('refuses while a rollout of it is %s', async (state) => {
    await using workplace = await setup();
    const id = await start(workplace, '1.10.0');
    const change = (verb: string) =>
      workplace.must(
        ...['rollout', verb, id, '--reason', 'x', '--yes', '--storage', 'file:R', ...ONLINE],
      );
    if (state === 'paused') await change('pause');
    const refused = await workplace.run(...withdraw('1.10.0', ...KEYS));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`tidegate rollout withdraw ${id}`);
    await change('withdraw');
    await workplace.must(...withdraw('1.10.0', ...KEYS));
  });

  it('refuses while hosts are sent back to it, whatever is allowed', async () => {
    await using workplace = await setup();
    const id = await start(workplace, '1.10.0');
    await workplace.must(
      ...['rollout', 'rollback', id, '--to', '1.9.0', '--reason', 'boot loop', '--yes'],
      ...['--storage', 'file:R', ...ONLINE],
    );
    const refused = await workplace.run(...withdraw('1.9.0', '--allow-dangling-rollback', ...KEYS));
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(id)]);
    // The way that the hint names.
    const where = ['--storage', 'file:R', ...ONLINE];
    const late = await workplace.must(
      ...['rollout', 'start', ...PLATFORM, '--version', '1.10.0'],
      ...['--start-at', '2027-01-01T00:00:00Z', ...where],
    );
    await workplace.must(
      'rollout',
      'withdraw',
      late,
      '--reason',
      'none is left',
      '--yes',
      ...where,
    );
    await workplace.must(...withdraw('1.9.0', '--allow-dangling-rollback', ...KEYS));
  });

  it('refuses the way back of another release, unless that is allowed', async () => {
    await using workplace = await setup();
    const refused = await workplace.run(...withdraw('1.9.0', ...KEYS));
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('1.10.0')]);
    const allowed = await workplace.run(...withdraw('1.9.0', '--allow-dangling-rollback', ...KEYS));
    expect([allowed.code, allowed.stderr]).toEqual([0, expect.stringContaining('1.10.0')]);
    const amended = await workplace.run(
      ...amend('1.10.0', '--rollback-to', '1.9.0', '1.8.0', ...REASON, ...KEYS),
    );
    expect(amended.stderr).toContain('1.9.0, which was withdrawn');
  });

  it('keeps the version taken, for the same images and for others', async () => {
    await using workplace = await setup();
    await workplace.must(...withdraw('1.10.0', ...KEYS));
    const before = await objects(workplace);
    for (const label of ['1.10.0', 'other']) {
      await writeImages(workplace, label);
      const again = await workplace.run(...publishArguments('1.10.0'));
      expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('withdrawn')]);
    }
    expect(await objects(workplace)).toEqual(before);
  });

  it('cannot be rolled out any more, nor be gone back to', async () => {
    await using workplace = await setup();
    const id = await start(workplace, '1.10.0');
    await workplace.must(...withdraw('1.9.0', '--allow-dangling-rollback', ...KEYS));
    const where = ['--storage', 'file:R', ...ONLINE];
    const started = await workplace.run(
      ...['rollout', 'start', ...PLATFORM, '--version', '1.9.0', ...where],
    );
    const back = await workplace.run(
      ...['rollout', 'rollback', id, '--to', '1.9.0', '--reason', 'x', '--yes', ...where],
    );
    expect([started.code, back.code]).toEqual([1, 1]);
    expect(started.stderr).toContain('was withdrawn');
  });

  it.each([
    { case: 'a version that is not published', argv: withdraw('3.0.0', ...KEYS), code: 1 },
    { case: 'a missing key', argv: withdraw('1.10.0', ...ONLINE), code: 2 },
    {
      case: 'a key that may not sign the role',
      argv: withdraw('1.10.0', '--release-key', 'file:K/root1.pem', ...ONLINE),
      code: 1,
    },
    {
      case: 'no reason',
      argv: [...['release', 'withdraw', 'file:R', ...PLATFORM, '--version', '1.10.0', ...KEYS]],
      code: 2,
    },
  ])('refuses $case', async ({ argv, code }) => {
    await using workplace = await setup();
    const before = await objects(workplace);
    expect((await workplace.run(...argv)).code).toBe(code);
    expect(await objects(workplace)).toEqual(before);
  });
});
