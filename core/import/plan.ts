import type { Manifest, Update } from '../bottlerocket/manifest.ts';
import { imageTarget } from '../tuf/names.ts';
import type { ImageFormat, Platform } from '../tuf/names.ts';
import { compareVersions } from '../version.ts';
import { some } from './difference.ts';
import type { Difference, DifferenceCode } from './difference.ts';
import { listUpdates, SOURCE_IMAGES } from './listing.ts';
import type { Listed, SourceTarget, SourceTargets, VersionMap } from './listing.ts';
import { migrationsFor } from './migrations.ts';
import type { MigrationsMode, PlannedMigration } from './migrations.ts';
import { withholdingReason } from './max-version.ts';
import { policyOfWaves } from './waves-to-policy.ts';
import type { ConvertedWaves } from './waves-to-policy.ts';

export type PlannedImage = {
  readonly image: string;
  readonly format: ImageFormat;
  /** Name of ours. */
  readonly target: string;
  readonly source: SourceTarget;
};

export type PlannedRelease = Platform & {
  readonly version: string;
  readonly update: Update;
  readonly images: readonly PlannedImage[];
  readonly migrations: readonly PlannedMigration[];
  readonly rollbackTo: readonly string[];
  /** Null where the source gives it to nobody, or ours must not. */
  readonly rollout: Extract<ConvertedWaves, { kind: 'policy' }> | null;
};

export type PlatformPlan = Platform & {
  /** Oldest first. */
  readonly releases: readonly PlannedRelease[];
  readonly differences: readonly Difference[];
};

export type PlanOptions = {
  readonly targets: SourceTargets;
  readonly versions: VersionMap;
  /** The format that the name of a stored file tells. */
  readonly formatOf: (name: string) => ImageFormat;
  /** Versions as the source or as ours calls them; empty is all. */
  readonly only: readonly string[];
  /** Of those, how many of the newest; null is all. */
  readonly newest: number | null;
  readonly rollbackTo: 'none' | 'listed';
  readonly migrations: MigrationsMode;
  /** Whether the destination serves other variants too: one chain of migrations would serve them all. */
  readonly sharesChain: boolean;
  readonly now: Date;
};

/** What becomes of one variant and arch of a Bottlerocket manifest. */
export function planPlatform(
  manifest: Manifest,
  platform: Platform,
  options: PlanOptions,
): PlatformPlan {
  const { listed, differences } = listUpdates(manifest, platform, options);
  const tell = (code: DifferenceCode, version: string | null, text: string, data = {}) =>
    ({ code, platform, version, text, data }) satisfies Difference;
  const selected = select(listed, options);
  const drafts = selected.map((own) => {
    const index = listed.indexOf(own);
    const migrations = migrationsFor(manifest, listed, index, {
      platform,
      targets: options.targets,
      mode: options.migrations,
    });
    return { own, older: listed.slice(0, index), migrations };
  });
  const withheld = withholdingReason({
    updates: manifest.updates.filter((update) => isOf(platform, update)),
    selected,
    hasMigrations: drafts.some(({ migrations }) => migrations.planned.length > 0),
    sharesChain: options.sharesChain,
    now: options.now,
  });
  const told: Difference[] = [...differences];
  if (withheld !== null) {
    told.push(tell('import/rollouts-withheld', null, `no rollout is made: ${withheld}`));
  }
  const leftOut = listed.filter((own) => !selected.includes(own));
  if (leftOut.length > 0) {
    const names = leftOut.map(({ update }) => update.version);
    told.push(
      tell('import/not-selected', null, `left out as asked: ${some(names)}`, { versions: names }),
    );
  }
  const releases = drafts.map(({ own, older, migrations }): PlannedRelease => {
    const { update, version } = own;
    told.push(...migrations.differences);
    const isAbove = compareVersions(update.version, update.maxVersion) > 0;
    if (isAbove) {
      const text = `no rollout: it is above max_version ${update.maxVersion}. Bottlerocket sends hosts that run it back, a Tidegate agent on it stays`;
      told.push(tell('import/above-max-version', update.version, text));
    }
    const waves = policyOfWaves(update.waves, options.now);
    if (waves.kind === 'inexpressible' && !isAbove) {
      told.push(tell('import/waves-inexpressible', update.version, `no rollout: ${waves.reason}`));
    }
    const rollbackTo = options.rollbackTo === 'none' ? [] : older.map((one) => one.version);
    if (older.length > 0) told.push(rollbackDifference(platform, own, older, options.rollbackTo));
    return {
      ...platform,
      version,
      update,
      images: imagesOf(platform, own, options.formatOf),
      migrations: migrations.planned,
      rollbackTo,
      rollout: withheld === null && !isAbove && waves.kind === 'policy' ? waves : null,
    };
  });
  return {
    ...platform,
    releases,
    differences: [...told, ...outOfReach(manifest, platform, listed)],
  };
}

function isOf(platform: Platform, { variant, arch }: Update): boolean {
  return variant === platform.variant && arch === platform.arch;
}

function select(
  listed: readonly Listed[],
  { only, newest }: Pick<PlanOptions, 'only' | 'newest'>,
): readonly Listed[] {
  const wanted = listed.filter(
    ({ version, update }) =>
      only.length === 0 || only.includes(version) || only.includes(update.version),
  );
  return newest === null ? wanted : wanted.slice(-newest);
}

function imagesOf(
  platform: Platform,
  { version, images }: Listed,
  formatOf: PlanOptions['formatOf'],
): readonly PlannedImage[] {
  return SOURCE_IMAGES.map((image) => {
    const source = images[image];
    const format = formatOf(source.name);
    return { image, format, source, target: imageTarget({ ...platform, version, image, format }) };
  });
}

/** In Bottlerocket whoever signs the manifest may send hosts back to any version that it lists. */
function rollbackDifference(
  platform: Platform,
  { update }: Listed,
  older: readonly Listed[],
  mode: PlanOptions['rollbackTo'],
): Difference {
  const versions = older.map(({ version }) => version);
  const text =
    mode === 'none'
      ? `its document names no version to go back to; at the source a lowered max_version could send hosts to ${some(versions)} (--rollback-to listed)`
      : `its document lets the rollouts key send hosts back to ${some(versions)}`;
  return {
    code: 'import/rollback',
    platform,
    version: update.version,
    text,
    data: { mode, versions },
  };
}

/** updog refuses to move from a version that no chain begins at, and ours is a chain of published versions. */
function outOfReach(
  { migrations }: Manifest,
  platform: Platform,
  listed: readonly Listed[],
): readonly Difference[] {
  const known = new Set(
    listed.map(({ update, version }) => (update.version === version ? version : '')),
  );
  const versions = [...new Set(migrations.flatMap(({ from, to }) => [from, to]))]
    .filter((version) => !known.has(version))
    .toSorted(compareVersions);
  if (versions.length === 0) return [];
  const text = `Bottlerocket hosts that run ${some(versions)} find no chain of migrations here, unless these versions are published`;
  return [
    { code: 'import/migrations-out-of-reach', platform, version: null, text, data: { versions } },
  ];
}
