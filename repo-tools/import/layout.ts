import type { Platform } from '../../core/tuf/names.ts';
import { openSourceFiles, SourceError } from './source-files.ts';
import type { SourceFiles } from './source-files.ts';

/** One TUF repository of the source: pubsys makes one a variant and arch, tuftool one for all. */
export type SourceLayout = {
  /** Null if the manifest alone says what is in it. */
  readonly platform: Platform | null;
  readonly metadata: SourceFiles;
  /** What stands before the names of metadata files. */
  readonly prefix: string;
  readonly targets: SourceFiles;
  readonly targetsPrefix: string;
};

export type SourceLocation = {
  /** Absolute path or URL of both, or of each. */
  readonly from: string | null;
  readonly metadataUrl: string | null;
  readonly targetsUrl: string | null;
  readonly variants: readonly string[];
  readonly archs: readonly string[];
};

export type FoundLayouts = {
  readonly layouts: readonly SourceLayout[];
  /** Asked for, but not there. */
  readonly missing: readonly Platform[];
};

const BOTTLEROCKET_ARCHS = ['x86_64', 'aarch64'];

/**
 * Finds `metadata/` and `targets/` as tuftool makes them, or `<variant>/<arch>/` and `targets/` as pubsys does. Behind
 * http nothing can be listed, so pubsys's layout needs the names of the variants there.
 */
export async function findLayouts(location: SourceLocation): Promise<FoundLayouts> {
  const { from, metadataUrl, targetsUrl } = location;
  const metadata = openSourceFiles(metadataUrl ?? from ?? '');
  const targets = openSourceFiles(targetsUrl ?? from ?? '');
  const targetsPrefix = targetsUrl === null ? 'targets/' : '';
  const common = { metadata, targets, targetsPrefix };
  for (const prefix of metadataUrl === null ? ['metadata/', ''] : ['']) {
    if (await isThere(metadata, prefix)) {
      return { layouts: [{ ...common, platform: null, prefix }], missing: [] };
    }
  }
  const wanted = await platformsIn(metadata, location);
  const layouts = [];
  const missing = [];
  for (const platform of wanted) {
    const prefix = `${platform.variant}/${platform.arch}/`;
    if (await isThere(metadata, prefix)) layouts.push({ ...common, platform, prefix });
    else missing.push(platform);
  }
  if (layouts.length === 0) {
    throw new SourceError('import/no-source', `there is no repository in ${metadata.url}`, {
      hints: [
        'it must hold metadata/timestamp.json, or VARIANT/ARCH/timestamp.json',
        'name the variants with --variant where folders cannot be listed',
      ],
    });
  }
  return { layouts, missing };
}

async function isThere(files: SourceFiles, prefix: string): Promise<boolean> {
  const body = await files.find(`${prefix}timestamp.json`);
  if (body === null) return false;
  // An unread body holds a connection.
  for await (const _ of body) break;
  return true;
}

async function platformsIn(
  files: SourceFiles,
  { variants, archs }: SourceLocation,
): Promise<readonly Platform[]> {
  const listed = await files.folders('');
  if (listed === null) {
    const names = archs.length === 0 ? BOTTLEROCKET_ARCHS : archs;
    return variants.flatMap((variant) => names.map((arch) => ({ variant, arch })));
  }
  const found = [];
  for (const variant of listed) {
    for (const arch of (await files.folders(variant)) ?? []) {
      const isWanted =
        (variants.length === 0 || variants.includes(variant)) &&
        (archs.length === 0 || archs.includes(arch));
      if (isWanted && (await isThere(files, `${variant}/${arch}/`))) found.push({ variant, arch });
    }
  }
  return found;
}
