import { writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { initRepository, ONLINE, PLATFORM, publishVersion } from '../support/small-repository.ts';

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
      ...['rollout', 'rollback', id, '--to', '1.9.0', '--reason', 'boot loop'],
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
