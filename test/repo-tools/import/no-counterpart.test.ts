import { describe, expect, it } from '@jest/globals';
import { parseManifest } from '../../../core/bottlerocket/manifest.ts';
import { compileManifest } from '../../../core/compile.ts';
import {
  OLD_WAVES,
  KEYS,
  FROM,
  TWO,
  setup,
  importJson,
  codes,
  opened,
  strays,
} from '../../support/import-workplace.ts';
import { planOf } from '../../support/rollouts.ts';

describe('tidegate repo import of what has no counterpart', () => {
  it('makes no rollout above max_version, so that unmodified hosts go back as at the source', async () => {
    const updates = [
      { version: '1.44.0', maxVersion: '1.44.0', waves: OLD_WAVES },
      { version: '1.45.0', maxVersion: '1.44.0', waves: OLD_WAVES },
    ];
    await using place = await setup({ updates });
    const report = await importJson(place.workplace);
    expect(codes(report)).toContain('import/above-max-version');
    const { rollouts } = await opened(place.workplace);
    expect(rollouts.map(({ release }) => release.version)).toEqual(['1.44.0']);
    for (const running of ['1.45.0', '1.44.0', '1.43.0']) {
      expect(
        await strays(place.workplace, place.source.manifest, place.workplace.now, running),
      ).toBe(0);
    }
  });

  it.each([
    {
      case: 'max_version is not listed',
      updates: [{ version: '1.44.0', maxVersion: '1.45.0', waves: OLD_WAVES }],
      more: [],
    },
    { case: 'the newest version is left out', updates: TWO.updates, more: ['--version', '1.44.0'] },
    {
      case: 'updates disagree on max_version',
      updates: [
        { version: '1.44.0', maxVersion: '1.44.0' },
        { version: '1.45.0', maxVersion: '1.45.0' },
      ],
      more: [],
    },
  ])('withholds all rollouts when $case: hosts would be sent back', async ({ updates, more }) => {
    await using place = await setup({ updates });
    const report = await importJson(place.workplace, ...more);
    expect(codes(report)).toContain('import/rollouts-withheld');
    expect((await opened(place.workplace)).rollouts).toEqual([]);
  });

  it('takes updates without waves for everyone at once', async () => {
    await using place = await setup({ updates: [{ version: '1.45.0' }] });
    const report = await importJson(place.workplace);
    expect(codes(report)).toContain('import/waves-none');
    expect(report.releases[0].rollout.tide).toBe(2048);
    expect(
      await strays(place.workplace, place.source.manifest, place.workplace.now, '1.44.0'),
    ).toBe(0);
  });

  it('leaves out a version with build metadata, or takes it under another name', async () => {
    const updates = [
      { version: '1.44.0+a', maxVersion: '1.45.0', waves: OLD_WAVES },
      { version: '1.45.0', waves: OLD_WAVES },
    ];
    await using place = await setup({ updates });
    const left = await importJson(place.workplace, '--dry-run');
    expect(codes(left)).toContain('import/version-name');
    expect(left.releases).toHaveLength(1);
    const mapped = await importJson(place.workplace, '--map-version', '1.44.0+a=1.44.0-a');
    expect(codes(mapped)).toContain('import/version-mapped');
    expect(mapped.releases.map(({ version }: { version: string }) => version)).toEqual([
      '1.44.0-a',
      '1.45.0',
    ]);
  });

  it('brings migrations under names of the variant, and a chain that updog walks', async () => {
    const migrations = {
      '(1.43.0, 1.44.0)': ['migrate_v1.44.0_before.lz4'],
      '(1.44.0, 1.45.0)': ['migrate_v1.45.0_a.lz4', 'migrate_v1.45.0_b.lz4'],
    };
    await using place = await setup({ ...TWO, migrations });
    const report = await importJson(place.workplace);
    expect(codes(report)).toContain('import/migrations-renamed');
    expect(codes(report)).toContain('import/migrations-out-of-reach');
    const { rollouts, published, state } = await opened(place.workplace);
    const versions = published.map(({ version }) => version);
    const ours = parseManifest(
      compileManifest(planOf(rollouts), { published: versions, now: place.workplace.now }),
    );
    const names = ['a', 'b'].map(
      (name) => `aws-k8s-1.32-x86_64-1.45.0-migrate_v1.45.0_${name}.lz4`,
    );
    expect(ours.migrations).toEqual([{ from: '1.44.0', to: '1.45.0', names }]);
    const role = state.delegated.get('releases-aws-k8s-1.32-x86_64');
    expect(Object.keys(role?.targets ?? {})).toEqual(expect.arrayContaining(names));
    const dropped = await importJson(place.workplace, '--dry-run', '--migrations', 'drop');
    expect(codes(dropped)).toContain('import/terms-kept');
  });

  it('names the listed versions as ways back only when asked', async () => {
    await using place = await setup();
    await importJson(place.workplace, '--rollback-to', 'listed');
    const { rollouts } = await opened(place.workplace);
    expect(rollouts.map(({ release }) => release.rollbackTo)).toEqual([[], ['1.44.0']]);
  });

  it('takes only the newest, and fields that it does not know are told', async () => {
    await using place = await setup({ ...TWO, extra: { datastore_versions: {} } });
    const report = await importJson(place.workplace, '--newest', '1');
    expect(report.releases.map(({ version }: { version: string }) => version)).toEqual(['1.45.0']);
    expect(codes(report)).toEqual(
      expect.arrayContaining(['import/not-selected', 'import/unknown-field']),
    );
  });

  it('leaves a rollout alone that a release has already', async () => {
    await using place = await setup();
    await place.workplace.must(
      ...['repo', 'import', 'file:R', ...FROM, ...KEYS, '--version', '1.44.0'],
    );
    await place.workplace.must(
      ...['rollout', 'start', '--storage', 'file:R', '--online-key', 'file:K/online.pem'],
      ...['--variant', 'aws-k8s-1.32', '--arch', 'x86_64', '--version', '1.44.0'],
    );
    const report = await importJson(place.workplace);
    expect(codes(report)).toContain('import/rollout-kept');
    expect((await opened(place.workplace)).rollouts).toHaveLength(2);
  });

  it('withholds rollouts with migrations where other variants would run them, unless they are dropped', async () => {
    const migrations = { '(1.44.0, 1.45.0)': ['migrate_v1.45.0_a.lz4'] };
    await using place = await setup({ ...TWO, migrations });
    const { workplace } = place;
    await workplace.must(
      ...['repo', 'init', 'file:R2', '--single-key', 'file:K/online.pem'],
      ...['--release-key', 'aws-k8s-1.32:x86_64=file:K/release.pem'],
      ...['--release-key', 'metal:x86_64=file:K/release.pem'],
    );
    const dryRun = async (...more: readonly string[]) =>
      codes(
        JSON.parse(
          await workplace.must(
            ...['repo', 'import', 'file:R2', ...FROM, '--dry-run', '--json', ...more],
          ),
        ),
      );
    expect(await dryRun()).toContain('import/rollouts-withheld');
    const dropped = await dryRun('--migrations', 'drop');
    expect(dropped).toContain('import/migrations-dropped');
    expect(dropped).not.toContain('import/rollouts-withheld');
  });
});
