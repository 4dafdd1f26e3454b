import { isVersion } from '../version.ts';
import { TufError } from './errors.ts';

/** How an image is stored; its size and hash in the release document are always those of the raw image. */
export const IMAGE_FORMATS = ['raw', 'lz4', 'zstd'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

export const MANIFEST_TARGET = 'manifest.json';
export const ROLLOUTS_ROLE = 'rollouts';

/** What a host is, and its CPU. */
export type Platform = { readonly variant: string; readonly arch: string };

const TOP_LEVEL_ROLES = ['root', 'targets', 'snapshot', 'timestamp'];
const RELEASES_PREFIX = 'releases-';
const DOCUMENT_SUFFIX = '-release.json';
const PROVENANCE_SUFFIX = '-provenance.json';
/** What stands in the place of an image name in the targets that are no images. */
const RESERVED_IMAGE_NAMES: readonly string[] = ['release', 'provenance'];
const SUFFIXES: Readonly<Record<ImageFormat, string>> = { raw: '', lz4: '.lz4', zstd: '.zst' };
/** With the hash before it and a suffix of a storage behind it a name still fits into 255 bytes. */
const MAX_NAME_LENGTH = 160;

export function isVariant(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text);
}

/** Without `-`, so that a role name has one reading only. */
export function isArch(text: string): boolean {
  return /^[a-z0-9][a-z0-9_]{0,31}$/.test(text);
}

/** Without `-` and `.`, so that a target name has one reading only. */
export function isImageName(text: string): boolean {
  return /^[a-z][a-z0-9_]{0,31}$/.test(text);
}

/** A semantic version without build metadata: `+` is not safe in the names of objects on S3. */
export function isReleaseVersion(text: string): boolean {
  return isVersion(text) && !text.includes('+') && text.length <= 64;
}

/** A name for delegated roles that no client has to quote or takes for a top-level role. */
export function isDelegatedRoleName(text: string): boolean {
  return /^[a-z][a-z0-9._-]{0,127}$/.test(text) && !TOP_LEVEL_ROLES.includes(text);
}

/** Flat, plain ASCII: the clients disagree on where a target with `/` in its name is stored. */
export function isTargetName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text) && text.length <= MAX_NAME_LENGTH;
}

/** An exact target name, or a prefix with one `*` at its end: all that every client reads the same way. */
export function isPathPattern(text: string): boolean {
  return isTargetName(text.endsWith('*') ? text.slice(0, -1) : text);
}

export function matchesPath(pattern: string, target: string): boolean {
  return pattern.endsWith('*') ? target.startsWith(pattern.slice(0, -1)) : target === pattern;
}

/** `releases-<variant>-<arch>`. Throws `tuf/name`. */
export function releasesRole(platform: Platform): string {
  return RELEASES_PREFIX + platformName(platform);
}

/** The one delegation path of a platform's releases role: `<variant>-<arch>-*`. Throws `tuf/name`. */
export function releasesPath(platform: Platform): string {
  return `${platformName(platform)}-*`;
}

/** The platform of a `releases-<variant>-<arch>` role, null for other roles. */
export function platformOfRole(role: string): Platform | null {
  if (!role.startsWith(RELEASES_PREFIX)) return null;
  const name = role.slice(RELEASES_PREFIX.length);
  const dash = name.lastIndexOf('-');
  const platform = { variant: name.slice(0, Math.max(dash, 0)), arch: name.slice(dash + 1) };
  return isVariant(platform.variant) && isArch(platform.arch) ? platform : null;
}

/** `<variant>-<arch>-<version>-<image>[.lz4|.zst]`. Throws `tuf/name`. */
export function imageTarget(
  release: Platform & {
    readonly version: string;
    readonly image: string;
    readonly format: ImageFormat;
  },
): string {
  if (!isImageName(release.image) || RESERVED_IMAGE_NAMES.includes(release.image)) {
    const rule = '[a-z][a-z0-9_]*, at most 32, and not "release" or "provenance"';
    throw nameError('image name', rule, release.image);
  }
  return `${releaseName(release)}-${release.image}${SUFFIXES[release.format]}`;
}

/** `<variant>-<arch>-<version>-release.json`. Throws `tuf/name`. */
export function releaseDocumentTarget(release: Platform & { readonly version: string }): string {
  return releaseName(release) + DOCUMENT_SUFFIX;
}

/** `<variant>-<arch>-<version>-provenance.json`: where its images come from. Throws `tuf/name`. */
export function provenanceTarget(release: Platform & { readonly version: string }): string {
  return releaseName(release) + PROVENANCE_SUFFIX;
}

/** The version whose release document the target of this platform is, null for other targets. */
export function versionOfDocument(platform: Platform, target: string): string | null {
  const prefix = `${platformName(platform)}-`;
  if (!target.startsWith(prefix) || !target.endsWith(DOCUMENT_SUFFIX)) return null;
  const version = target.slice(prefix.length, -DOCUMENT_SUFFIX.length);
  return isReleaseVersion(version) ? version : null;
}

/**
 * The first two platforms of which one owns target names of the other (`a` on x86_64 owns `a-x86_64-*`, and so the names
 * of variant `a-x86_64-b`), or null. The same platform twice is a conflict too.
 */
export function findPrefixConflict(
  platforms: readonly Platform[],
): readonly [Platform, Platform] | null {
  // Sorted, a name that begins with another one follows it with nothing but such names in between.
  const sorted = platforms
    .map((platform) => ({ platform, prefix: `${platformName(platform)}-` }))
    .toSorted((a, b) => (a.prefix < b.prefix ? -1 : 1));
  for (const [index, { platform, prefix }] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next?.prefix.startsWith(prefix) === true) return [platform, next.platform];
  }
  return null;
}

function platformName({ variant, arch }: Platform): string {
  if (!isVariant(variant)) throw nameError('variant', '[a-z0-9][a-z0-9._-]*, at most 64', variant);
  if (!isArch(arch)) throw nameError('arch', '[a-z0-9][a-z0-9_]*, at most 32', arch);
  return `${variant}-${arch}`;
}

/** The version whose image the target of this platform is, null for other targets. */
export function versionOfImage(platform: Platform, target: string): string | null {
  const prefix = `${platformName(platform)}-`;
  const [, version = '', image = ''] =
    /^(.+)-([^-.]+)(?:\.(?:lz4|zst))?$/.exec(target.slice(prefix.length)) ?? [];
  const isImage = isImageName(image) && !RESERVED_IMAGE_NAMES.includes(image);
  return target.startsWith(prefix) && isImage && isReleaseVersion(version) ? version : null;
}

function releaseName(release: Platform & { readonly version: string }): string {
  if (!isReleaseVersion(release.version)) {
    const rule = 'a semantic version without build metadata, at most 64 characters';
    throw nameError('version', rule, release.version);
  }
  const name = `${platformName(release)}-${release.version}`;
  // The longest thing that a name can still get is an image name with a suffix.
  if (name.length > MAX_NAME_LENGTH - 40) {
    throw nameError('variant, arch and version together', 'at most 120 characters', name);
  }
  return name;
}

function nameError(what: string, rule: string, got: string): TufError {
  return new TufError(
    'tuf/name',
    `${what} must be ${rule}, got ${JSON.stringify(got.slice(0, 200))}`,
  );
}
