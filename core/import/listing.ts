import type { Manifest, Update } from '../bottlerocket/manifest.ts';
import {
  imageTarget,
  isArch,
  isReleaseVersion,
  isVariant,
  releaseDocumentTarget,
} from '../tuf/names.ts';
import type { Platform } from '../tuf/names.ts';
import { compareVersions } from '../version.ts';
import type { Difference, DifferenceCode } from './difference.ts';

/** A target of the source as its signed metadata describes it. */
export type SourceTarget = {
  readonly name: string;
  readonly length: number;
  readonly sha256: string;
};

export type SourceTargets = ReadonlyMap<string, SourceTarget>;

/** The image names of Bottlerocket, in the order in which release documents list them. */
export const SOURCE_IMAGES = ['boot', 'root', 'hash'] as const;

/** An update of the source that can be a release of ours, under the version that we give it. */
export type Listed = {
  readonly version: string;
  readonly update: Update;
  readonly images: Readonly<Record<(typeof SOURCE_IMAGES)[number], SourceTarget>>;
};

/** Old version -> new version, for versions that cannot be names here. */
export type VersionMap = ReadonlyMap<string, string>;

export function platformsOf({ updates }: Manifest): readonly Platform[] {
  const platforms = new Map(
    updates.map(({ variant, arch }) => [`${variant}\n${arch}`, { variant, arch }]),
  );
  return [...platforms.keys()].toSorted().flatMap((key) => platforms.get(key) ?? []);
}

/** The updates of a platform that can be releases of ours, oldest first, and why the others cannot. */
export function listUpdates(
  { updates }: Manifest,
  platform: Platform,
  { targets, versions }: { readonly targets: SourceTargets; readonly versions: VersionMap },
): { readonly listed: readonly Listed[]; readonly differences: readonly Difference[] } {
  const own = updates.filter(
    ({ variant, arch }) => variant === platform.variant && arch === platform.arch,
  );
  const differences: Difference[] = [];
  const listed: Listed[] = [];
  for (const update of own) {
    const version = versions.get(update.version) ?? update.version;
    const tell = (code: DifferenceCode, text: string, data = {}) => {
      differences.push({ code, platform, version: update.version, text, data });
    };
    const problem = nameProblem(platform, version);
    const twins = own.filter((twin) => (versions.get(twin.version) ?? twin.version) === version);
    const images = imagesOf(update, targets);
    if (problem !== null) {
      tell('import/version-name', `left out: ${problem}; --map-version gives it another name`);
    } else if (twins.length > 1) {
      tell('import/version-twice', `left out: the manifest lists ${version} ${twins.length} times`);
    } else if (images.missing.length > 0) {
      const names = images.missing.join(', ');
      tell('import/target-missing', `left out: the source's metadata holds no ${names}`, {
        targets: images.missing,
      });
    } else {
      if (version !== update.version) {
        tell(
          'import/version-mapped',
          `is ${version} here; a host that calls itself ${update.version} is not known to it`,
          { version },
        );
      }
      listed.push({ version, update, images: images.found });
    }
  }
  return {
    listed: listed.toSorted((a, b) => compareVersions(a.version, b.version)),
    differences,
  };
}

function imagesOf({ images }: Update, targets: SourceTargets) {
  const { boot, root, hash } = images;
  const found = { boot: targets.get(boot), root: targets.get(root), hash: targets.get(hash) };
  const missing = [boot, root, hash].filter((name) => !targets.has(name));
  const nothing = { name: '', length: 0, sha256: '' };
  return {
    missing,
    found: {
      boot: found.boot ?? nothing,
      root: found.root ?? nothing,
      hash: found.hash ?? nothing,
    },
  };
}

function nameProblem({ variant, arch }: Platform, version: string): string | null {
  if (!isVariant(variant)) return `variant ${JSON.stringify(variant)} cannot be a name here`;
  if (!isArch(arch)) return `arch ${JSON.stringify(arch)} cannot be a name here`;
  if (!isReleaseVersion(version)) return `version ${version} cannot be a name here`;
  try {
    releaseDocumentTarget({ variant, arch, version });
    imageTarget({ variant, arch, version, image: 'boot', format: 'raw' });
    return null;
  } catch {
    return 'variant, arch and version are too long for a name here';
  }
}
