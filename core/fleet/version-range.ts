import semver from 'semver';
import { FleetError } from './errors.ts';

/** A range of versions as npm writes it: `>=1.20.0 <1.22.0`, `~1.20`, `^1.20.0 || 2.x`. */
export type VersionRange = { readonly text: string; readonly range: semver.Range };

const MAX_KNOWN = 1000;

/** Every poll asks, and reading a version costs more than all the rest. */
const known = new WeakMap<semver.Range, Map<string, boolean>>();

/** Throws FleetError. */
export function parseRange(text: string): VersionRange {
  try {
    return { text, range: new semver.Range(text) };
  } catch (cause) {
    throw new FleetError(
      'fleet/value',
      `must be a range of versions like '>=1.20.0 <1.22.0', got ${JSON.stringify(text.slice(0, 100))}`,
      { cause },
    );
  }
}

/**
 * As npm and Rust's `semver` judge: a pre-release is in a range only if the range names a pre-release of the same three
 * numbers; build metadata does not count. A number above 2^53 is in no range.
 */
export function isInRange(version: string, { range }: VersionRange): boolean {
  const answers = known.get(range) ?? new Map<string, boolean>();
  known.set(range, answers);
  const answer = answers.get(version) ?? semver.satisfies(version, range);
  // A host may claim to run anything; a fleet runs few versions.
  if (answers.size >= MAX_KNOWN) answers.clear();
  answers.set(version, answer);
  return answer;
}
