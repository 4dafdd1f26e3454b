import { formatOfFile } from '../../adapters/compression/decompress.ts';
import type { Progress } from '../../adapters/terminal/progress.ts';
import { parseManifest } from '../../core/bottlerocket/manifest.ts';
import type { Manifest } from '../../core/bottlerocket/manifest.ts';
import { some } from '../../core/import/difference.ts';
import type { Difference } from '../../core/import/difference.ts';
import { platformsOf, SOURCE_IMAGES } from '../../core/import/listing.ts';
import type { SourceTarget, SourceTargets, VersionMap } from '../../core/import/listing.ts';
import { migrationNames } from '../../core/import/migrations.ts';
import type { MigrationsMode } from '../../core/import/migrations.ts';
import { planPlatform } from '../../core/import/plan.ts';
import { unknownFields } from '../../core/import/unknown-fields.ts';
import { MANIFEST_TARGET } from '../../core/tuf/names.ts';
import type { Platform } from '../../core/tuf/names.ts';
import { readSmallTarget } from './copy.ts';
import type { Destination } from './destination.ts';
import { followSource } from './follow.ts';
import type { FollowedSource } from './follow.ts';
import { importPlatform } from './import-platform.ts';
import { findLayouts } from './layout.ts';
import type { SourceLayout, SourceLocation } from './layout.ts';
import type { ImportedRelease, ImportReport } from './report.ts';
import { SourceError } from './source-files.ts';

export type ImportOrder = {
  readonly location: SourceLocation;
  readonly root: Uint8Array;
  readonly unsafeAllowExpired: boolean;
  readonly versions: VersionMap;
  readonly only: readonly string[];
  readonly newest: number | null;
  readonly rollbackTo: 'none' | 'listed';
  readonly migrations: MigrationsMode;
  readonly isDryRun: boolean;
};

export type ImportOptions = {
  readonly destination: Destination;
  readonly now: Date;
  /** Whose rollouts these are, as the history tells it. */
  readonly by: string;
  readonly begin: (label: string, totalBytes: number) => Progress;
};

/**
 * Follows the source, plans, copies and commits, one release after the other, and then the rollouts of each variant and
 * arch at once. May be stopped anywhere and called again. Throws SourceError, DestinationError and what storages throw.
 */
export async function importRepository(
  order: ImportOrder,
  options: ImportOptions,
): Promise<ImportReport> {
  const { layouts, missing } = await findLayouts(order.location);
  const sources: ImportReport['sources'][number][] = [];
  const releases: ImportedRelease[] = [];
  const differences: Difference[] = missing.map((platform) => ({
    code: 'import/platform-missing',
    platform,
    version: null,
    text: 'the source holds no repository of it',
    data: {},
  }));
  for (const layout of layouts) {
    await followSource(layout, { ...order, now: options.now }, async (source) => {
      sources.push({
        metadata: `${layout.metadata.url}/${layout.prefix}`,
        targets: `${layout.targets.url}/${layout.targetsPrefix}`,
        roles: source.roles,
      });
      const imported = await importSource(layout, source, order, options);
      releases.push(...imported.releases);
      differences.push(...expiredRoles(source, layout), ...imported.differences);
    });
  }
  const bytes = releases.reduce((sum, release) => sum + release.bytes, 0);
  return { dryRun: order.isDryRun, sources, releases, differences, bytes };
}

type Imported = Pick<ImportReport, 'releases' | 'differences'>;

async function importSource(
  layout: SourceLayout,
  source: FollowedSource,
  order: ImportOrder,
  options: ImportOptions,
): Promise<Imported> {
  const { destination, now } = options;
  const listed = await source.find(MANIFEST_TARGET);
  if (listed === null) {
    throw new SourceError('import/no-source', `${layout.metadata.url} lists no ${MANIFEST_TARGET}`);
  }
  const bytes = await readSmallTarget(layout, listed, source.hashPrefixed);
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  const manifest = parseManifest(text);
  const targets = await namedTargets(source, manifest);
  const { wanted, others } = choosePlatforms(layout, manifest, order.location);
  const here = new Set(destination.platforms().map(nameOf));
  const plans = wanted.map((platform) =>
    planPlatform(manifest, platform, {
      ...order,
      targets,
      formatOf: formatOfFile,
      sharesChain: here.size > 1 || !here.has(nameOf(platform)),
      now,
    }),
  );
  for (const plan of plans) {
    if (plan.releases.length > 0) destination.requireRole(plan, order);
  }
  const releases: ImportedRelease[] = [];
  const differences: Difference[] = [
    ...sourceDifferences(source, { text, targets, others }),
    ...plans.flatMap((plan) => plan.differences),
  ];
  for (const plan of plans) {
    const imported = await importPlatform(plan, { ...options, ...order, layout, source });
    releases.push(...imported.releases);
    differences.push(...imported.differences);
  }
  return { releases, differences };
}

/** All that releases and migrations of the manifest may need, as the metadata describes it. */
async function namedTargets(source: FollowedSource, manifest: Manifest): Promise<SourceTargets> {
  const names = new Set([
    ...manifest.updates.flatMap(({ images }) => SOURCE_IMAGES.map((image) => images[image])),
    ...migrationNames(manifest),
  ]);
  const targets = new Map<string, SourceTarget>();
  for (const name of names) {
    const target = await source.find(name);
    if (target !== null) targets.set(name, target);
  }
  return targets;
}

/** pubsys's hosts of one folder never see the updates of another variant and arch in its manifest. */
function choosePlatforms(
  { platform: scope }: SourceLayout,
  manifest: Manifest,
  { variants, archs }: SourceLocation,
): { readonly wanted: readonly Platform[]; readonly others: readonly Platform[] } {
  const all = platformsOf(manifest);
  const wanted = all.filter(
    (platform) =>
      (scope === null || nameOf(scope) === nameOf(platform)) &&
      (variants.length === 0 || variants.includes(platform.variant)) &&
      (archs.length === 0 || archs.includes(platform.arch)),
  );
  return { wanted, others: all.filter((platform) => !wanted.includes(platform)) };
}

function sourceDifferences(
  { names }: FollowedSource,
  {
    text,
    targets,
    others,
  }: {
    readonly text: string;
    readonly targets: SourceTargets;
    readonly others: readonly Platform[];
  },
): readonly Difference[] {
  const found: Difference[] = [];
  const tell = (code: Difference['code'], words: string, data: Difference['data']) => {
    found.push({ code, platform: null, version: null, text: words, data });
  };
  const fields = unknownFields(text);
  if (fields.length > 0) {
    tell('import/unknown-field', `its manifest holds fields that are not read: ${some(fields)}`, {
      fields,
    });
  }
  if (others.length > 0) {
    const platforms = others.map(nameOf);
    tell('import/other-platform', `left out: updates of ${some(platforms)}`, { platforms });
  }
  const behind = names.filter((name) => name !== MANIFEST_TARGET && !targets.has(name));
  if (behind.length > 0) {
    const files = behind.length === 1 ? 'target' : 'targets';
    tell(
      'import/targets-left-behind',
      `${behind.length} ${files} that no update names: ${some(behind)}`,
      { targets: behind },
    );
  }
  return found;
}

function expiredRoles({ roles }: FollowedSource, layout: SourceLayout): readonly Difference[] {
  return roles
    .filter(({ isExpired }) => isExpired)
    .map(({ role, expires }) => ({
      code: 'import/expired',
      platform: layout.platform,
      version: null,
      text: `the source's ${role} expired at ${expires}: what was read may be an old state of it`,
      data: { role, expires },
    }));
}

function nameOf({ variant, arch }: Platform): string {
  return `${variant} ${arch}`;
}
