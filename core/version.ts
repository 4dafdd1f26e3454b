import { ExpectedError } from './errors.ts';

export class VersionError extends ExpectedError<'version/invalid'> {}

export type Version = {
  readonly major: bigint;
  readonly minor: bigint;
  readonly patch: bigint;
  /** Dot-separated identifiers; empty for a normal version. */
  readonly preRelease: readonly string[];
  readonly build: readonly string[];
};

const NUMBER = '(0|[1-9][0-9]*)';
const PRE_RELEASE = '(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)';
const BUILD = '[0-9A-Za-z-]+';
const SEMVER = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-(${PRE_RELEASE}(?:\\.${PRE_RELEASE})*))?(?:\\+(${BUILD}(?:\\.${BUILD})*))?$`,
);
/** What nearly every version is: small enough for plain numbers, which are many times faster. */
const PLAIN = /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/;
const MAX_U64 = 2n ** 64n - 1n;
const MAX_LENGTH = 256;

/** Reads a strict Semantic Version 2.0.0 (no leading `v`); its three numbers fit in 64 bits, as in Rust. */
export function parseVersion(text: string): Version {
  const match = text.length > MAX_LENGTH ? null : SEMVER.exec(text);
  const [, major = '', minor = '', patch = '', preRelease = '', build = ''] = match ?? [];
  const numbers = { major: BigInt(major), minor: BigInt(minor), patch: BigInt(patch) };
  if (match === null || Object.values(numbers).some((number) => number > MAX_U64)) {
    const shown = JSON.stringify(text.slice(0, 80));
    throw new VersionError('version/invalid', `version must be major.minor.patch, got ${shown}`);
  }
  const identifiers = (part: string) => (part === '' ? [] : part.split('.'));
  return { ...numbers, preRelease: identifiers(preRelease), build: identifiers(build) };
}

export function isVersion(text: string): boolean {
  if (PLAIN.test(text)) return true;
  try {
    parseVersion(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The total order of Rust's `semver` crate, by which updog picks: SemVer precedence, then build metadata as the
 * tie-break. Negative, 0 or positive; both must be valid versions.
 */
export function compareVersions(a: string, b: string): number {
  const left = PLAIN.exec(a);
  const right = left === null ? null : PLAIN.exec(b);
  if (left !== null && right !== null) {
    return (
      order(Number(left[1]), Number(right[1])) ||
      order(Number(left[2]), Number(right[2])) ||
      order(Number(left[3]), Number(right[3]))
    );
  }
  return compare(parseVersion(a), parseVersion(b));
}

function compare(a: Version, b: Version): number {
  return (
    order(a.major, b.major) ||
    order(a.minor, b.minor) ||
    order(a.patch, b.patch) ||
    comparePreRelease(a.preRelease, b.preRelease) ||
    compareIdentifiers(a.build, b.build)
  );
}

function order<T extends bigint | number | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** SemVer 11.3: a pre-release comes before its release. */
function comparePreRelease(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return order(b.length, a.length);
  return compareIdentifiers(a, b);
}

/** SemVer 11.4; with all identifiers equal the longer list is greater. */
function compareIdentifiers(a: readonly string[], b: readonly string[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    if (right === undefined) return 1;
    const result = compareIdentifier(left, right);
    if (result !== 0) return result;
  }
  return order(a.length, b.length);
}

/**
 * Numeric before alphanumeric, numbers by value. Build identifiers may have leading zeros: `0` < `00` < `1` < `01`,
 * the value first and then the number of zeros.
 */
function compareIdentifier(a: string, b: string): number {
  const isNumber = (text: string) => /^[0-9]+$/.test(text);
  if (isNumber(a) && isNumber(b)) return order(BigInt(a), BigInt(b)) || order(a.length, b.length);
  if (isNumber(a) !== isNumber(b)) return isNumber(a) ? -1 : 1;
  return order(a, b);
}
