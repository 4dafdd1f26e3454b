import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseRelease } from '../../../core/release.ts';
import { publishVersion } from '../../support/small-repository.ts';
import { rawImage } from '../../support/pubsys-repository.ts';
import { HOUR_MS } from '../../support/rollouts.ts';
import { createHash } from 'node:crypto';
import {
  at,
  KEYS,
  FROM,
  TWO,
  setup,
  importJson,
  codes,
  opened,
  objects,
  strays,
  serveFolder,
} from '../../support/import-workplace.ts';

describe('tidegate repo import', () => {
  it('makes releases and rollouts that hosts can follow, with raw hashes of its own', async () => {
    await using place = await setup();
    const report = await importJson(place.workplace);
    expect(report.releases.map(({ version, outcome }: never) => [version, outcome])).toEqual([
      ['1.44.0', 'imported'],
      ['1.45.0', 'imported'],
    ]);
    expect(report.sources[0].roles.map(({ version }: { version: number }) => version)).toEqual([
      1, 1_772_000_000, 1_772_000_000, 1_772_000_000,
    ]);
    const verified = JSON.parse(await place.workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(verified).toMatchObject({ targets: 9, failures: [] });
    const { repository, state } = await opened(place.workplace);
    const release = parseRelease(
      await repository.readTarget(state, 'aws-k8s-1.32-x86_64-1.45.0-release.json'),
    );
    const raw = rawImage('root', '1.45.0');
    expect(release.images['root']).toEqual({
      target: 'aws-k8s-1.32-x86_64-1.45.0-root.lz4',
      format: 'lz4',
      size: raw.length,
      sha256: createHash('sha256').update(raw).digest('hex'),
    });
    expect(release.rollbackTo).toEqual([]);
  });

  it('tells every difference, in words too', async () => {
    await using place = await setup();
    const report = await importJson(place.workplace, '--dry-run');
    expect(codes(report)).toEqual([
      'import/migrations-broken',
      'import/rollback',
      'import/targets-left-behind',
      'import/waves-first',
      'import/waves-rise',
    ]);
    const words = await place.workplace.must('repo', 'import', 'file:R', ...FROM, '--dry-run');
    expect(words.split('\n').filter((line) => line.startsWith('difference: '))).toHaveLength(
      report.differences.length,
    );
  });

  it('lets unmodified hosts choose as the source does, within what it reports', async () => {
    await using place = await setup();
    const report = await importJson(place.workplace);
    const [, newest] = report.releases;
    const { earlier, later } = newest.rollout.rise.compiled;
    // The default waves pile up to 30 % of a fleet at the end of a wave; ours do not.
    expect(earlier.seeds).toBeLessThan(630);
    expect(later.seeds).toBeLessThan(21);
    const counts = [];
    for (let hours = 36; hours <= 7 * 24; hours += 6) {
      const now = new Date(at(hours * HOUR_MS));
      counts.push(await strays(place.workplace, place.source.manifest, now, '1.44.0'));
      counts.push(await strays(place.workplace, place.source.manifest, now, '1.43.0'));
    }
    expect(Math.max(...counts)).toBeLessThanOrEqual(earlier.seeds + later.seeds);
    expect(Math.max(...counts)).toBeGreaterThan(300);
    expect(counts.slice(-2)).toEqual([0, 0]);
  });

  it('starts the clock so that the tide is where it was', async () => {
    await using place = await setup();
    const { releases } = await importJson(place.workplace);
    // A day and a half after the start: between 5 % and 15 %.
    expect(releases[1].rollout.tide).toBeGreaterThan(102);
    expect(releases[1].rollout.tide).toBeLessThan(307);
    expect(releases[0].rollout.tide).toBe(2048);
  });

  it('reads a source behind http, named by its variant', async () => {
    await using place = await setup();
    await using server = await serveFolder(join(place.workplace.folder, 'S'));
    const from = ['--from', server.url, '--root', 'S/root.json'];
    const nameless = await place.workplace.run('repo', 'import', 'file:R', ...from, '--dry-run');
    expect(nameless.stderr).toContain('--variant');
    const report = await place.workplace.must(
      ...['repo', 'import', 'file:R', ...from, ...KEYS, '--variant', 'aws-k8s-1.32', '--json'],
    );
    expect(JSON.parse(report).releases).toHaveLength(2);
    // It was asked for both archs that Bottlerocket has.
    expect(codes(JSON.parse(report))).toContain('import/platform-missing');
  });

  it('takes metadata and targets from two places', async () => {
    await using place = await setup();
    const report = await place.workplace.must(
      ...['repo', 'import', 'file:R', '--metadata-url', 'S', '--targets-url', 'S/targets'],
      ...['--root', 'S/root.json', ...KEYS, '--json'],
    );
    expect(JSON.parse(report).releases).toHaveLength(2);
  });

  it.each([
    { case: 'the flat layout of tuftool', change: { layout: 'tuftool' } },
    { case: 'ed25519 keys', change: { key: 'root1' } },
    { case: 'ECDSA keys of the old keytype', change: { key: 'release', keytype: 'ecdsa' } },
    { case: 'a chain of roots that begins at the given one', change: { rootVersion: 7 } },
  ] as const)('reads $case', async ({ change }) => {
    await using place = await setup({ ...TWO, ...change });
    expect((await importJson(place.workplace)).releases).toHaveLength(2);
  });

  it('writes nothing in a dry run and opens no key', async () => {
    await using place = await setup();
    const before = await objects(place.workplace);
    const report = await place.workplace.must(
      ...['repo', 'import', 'file:R', ...FROM, '--dry-run', '--json', '--release-key', 'file:none'],
    );
    expect(JSON.parse(report).releases[0].outcome).toBe('to-import');
    expect(JSON.parse(report).bytes).toBeGreaterThan(0);
    expect(await objects(place.workplace)).toEqual(before);
  });

  it('lets metadata live as long as the expiry policy says', async () => {
    await using place = await setup();
    await writeFile(
      join(place.workplace.folder, 'policy.toml'),
      "timestamp_expiration = '5 weeks'\n",
    );
    await importJson(place.workplace, '--expiry-policy', 'policy.toml');
    const { state } = await opened(place.workplace);
    expect(state.timestamp.expires).toBe('2026-04-05T12:00:00Z');
  });

  it('changes nothing the second time', async () => {
    await using place = await setup();
    await importJson(place.workplace);
    const before = await objects(place.workplace);
    const timestamp = await readFile(join(place.workplace.folder, 'R/metadata/timestamp.json'));
    const again = await importJson(place.workplace);
    expect(again.releases.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      'already-imported',
      'already-imported',
    ]);
    expect(again.bytes).toBe(0);
    expect(await objects(place.workplace)).toEqual(before);
    expect(await readFile(join(place.workplace.folder, 'R/metadata/timestamp.json'))).toEqual(
      timestamp,
    );
  });

  it('leaves out what was withdrawn here, says so, and brings the rest', async () => {
    await using place = await setup();
    const old = ['--variant', 'aws-k8s-1.32', '--arch', 'x86_64', '--version', '1.44.0'];
    await importJson(place.workplace, '--version', '1.44.0');
    await place.workplace.must(
      ...['release', 'withdraw', 'file:R', ...old, '--reason', 'leaks credentials', ...KEYS],
    );
    const report = await importJson(place.workplace);
    expect(report.releases.map(({ version }: { version: string }) => version)).toEqual(['1.45.0']);
    expect(report.differences).toContainEqual({
      ...{ code: 'import/withdrawn', version: '1.44.0' },
      platform: { variant: 'aws-k8s-1.32', arch: 'x86_64' },
      text: expect.stringContaining('leaks credentials'),
      data: expect.objectContaining({ reason: 'leaks credentials' }),
    });
    const { rollouts } = await opened(place.workplace);
    expect(rollouts.map(({ release }) => release.version)).toEqual(['1.45.0']);
  });

  it('carries on after it was interrupted, without fetching again what had come', async () => {
    await using place = await setup();
    const { folder } = place.workplace;
    const path = (image: string) =>
      join(folder, 'S/build', `bottlerocket-aws-k8s-1.32-x86_64-1.45.0-0123abcd-${image}`);
    const hash = await readFile(path('root.verity.lz4'));
    await rm(path('root.verity.lz4'));
    const broken = await place.workplace.run('repo', 'import', 'file:R', ...FROM, ...KEYS);
    expect(broken.code).toBe(1);
    expect((await opened(place.workplace)).published.map(({ version }) => version)).toEqual([
      '1.44.0',
    ]);
    // Nothing is given to the fleet before all of it is there.
    expect((await opened(place.workplace)).rollouts).toEqual([]);
    await writeFile(path('root.verity.lz4'), hash);
    await rm(path('boot.ext4.lz4'));
    await rm(path('root.ext4.lz4'));
    const report = await importJson(place.workplace);
    expect(report.releases.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      'already-imported',
      'imported',
    ]);
    expect((await opened(place.workplace)).rollouts).toHaveLength(2);
    const verified = JSON.parse(await place.workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(verified.failures).toEqual([]);
  });

  it('refuses a version that is there with other bytes, by its name', async () => {
    await using place = await setup();
    await publishVersion(place.workplace, '1.45.0');
    const { code, stderr } = await place.workplace.run(
      'repo',
      'import',
      'file:R',
      ...FROM,
      ...KEYS,
    );
    expect(code).toBe(1);
    expect(stderr).toContain('aws-k8s-1.32 x86_64 1.45.0');
    expect((await opened(place.workplace)).published).toHaveLength(1);
  });

  it('names the role that the destination must delegate first', async () => {
    await using place = await setup({ ...TWO, variant: 'metal-k8s-1.32' });
    const { code, stderr } = await place.workplace.run(
      'repo',
      'import',
      'file:R',
      ...FROM,
      ...KEYS,
    );
    expect(code).toBe(1);
    expect(stderr).toContain('releases-metal-k8s-1.32-x86_64');
    expect(stderr).toContain('repo delegate add');
  });

  it.each([
    { case: 'no source', options: ['--root', 'S/root.json'] },
    { case: 'no keys', options: FROM },
    { case: 'a root that is not there', options: ['--from', 'S', '--root', 'none.json'] },
    { case: 'a map to build metadata', options: [...FROM, '--map-version', '1.0.0=1.0.0+a'] },
    { case: 'newest none', options: [...FROM, ...KEYS, '--newest', '0'] },
    { case: 'another way back', options: [...FROM, ...KEYS, '--rollback-to', 'all'] },
  ])('refuses $case as a wrong call', async ({ options }) => {
    await using place = await setup();
    expect((await place.workplace.run('repo', 'import', 'file:R', ...options)).code).toBe(2);
  });
});
