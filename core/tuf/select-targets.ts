import { compareVersions } from '../version.ts';
import { isImageName, isReleaseVersion, platformOfRole, releasesPath } from './names.ts';
import type { Platform } from './names.ts';
import { publishedReleases } from './repository-metadata.ts';
import type { RepositoryMetadata } from './repository-metadata.ts';

/** Which releases' images a copy has; an empty list means all. */
export type Selection = {
  readonly variants: readonly string[];
  readonly arches: readonly string[];
  /** Of each variant and arch, by version; null means all. */
  readonly newest: number | null;
};

export type ListedFile = { readonly name: string; readonly size: number; readonly sha256: string };

/** Every listed target is wanted, except for images of releases that are not selected. */
export function selectTargets(
  metadata: RepositoryMetadata,
  selection: Selection,
): { readonly wanted: readonly ListedFile[]; readonly leftOut: readonly string[] } {
  const wanted: ListedFile[] = [];
  const leftOut: string[] = [];
  for (const [role, { targets }] of [
    ['targets', metadata.targets] as const,
    ...metadata.delegated,
  ]) {
    const platform = platformOfRole(role);
    const versions = platform === null ? null : selectedVersions(metadata, platform, selection);
    for (const [name, { length, hashes }] of Object.entries(targets)) {
      const version = platform === null ? null : versionOfImage(platform, name);
      if (version === null || versions === null || versions.has(version)) {
        wanted.push({ name, size: length, sha256: hashes.sha256 });
      } else leftOut.push(name);
    }
  }
  return { wanted, leftOut };
}

/** Null means every version, also one that has no document. */
function selectedVersions(
  metadata: RepositoryMetadata,
  { variant, arch }: Platform,
  { variants, arches, newest }: Selection,
): ReadonlySet<string> | null {
  const has = (list: readonly string[], item: string) => list.length === 0 || list.includes(item);
  if (!has(variants, variant) || !has(arches, arch)) return new Set();
  if (newest === null) return null;
  const versions = publishedReleases(metadata)
    .filter((release) => release.variant === variant && release.arch === arch)
    .map(({ version }) => version)
    .toSorted((a, b) => compareVersions(b, a));
  return new Set(versions.slice(0, newest));
}

function versionOfImage(platform: Platform, target: string): string | null {
  const prefix = releasesPath(platform).slice(0, -1);
  const dash = target.lastIndexOf('-');
  if (!target.startsWith(prefix) || dash < prefix.length) return null;
  const version = target.slice(prefix.length, dash);
  const image = target.slice(dash + 1).replace(/\.(lz4|zst)$/, '');
  return isImageName(image) && isReleaseVersion(version) ? version : null;
}
