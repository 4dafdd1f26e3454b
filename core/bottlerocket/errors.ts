import { ExpectedError } from '../errors.ts';

export type BottlerocketErrorCode =
  /** Not JSON, a key missing or standing twice, or a value of the wrong type. */
  | 'bottlerocket/manifest'
  | 'bottlerocket/version'
  | 'bottlerocket/time'
  /** A key of `waves` that is no u32. */
  | 'bottlerocket/bound'
  | 'bottlerocket/duplicate-bound'
  /** A key of `migrations` without "(from, to)" in it. */
  | 'bottlerocket/migration-key'
  | 'bottlerocket/duplicate-migration'
  /** No chain of migrations leads to the target. */
  | 'bottlerocket/missing-migration'
  /** The chain of migrations runs in a circle, in which updog never ends. */
  | 'bottlerocket/endless-migrations'
  /** updog panics: the seed is above 2048 and the update has waves. */
  | 'bottlerocket/seed-panic'
  /** updog or pubsys panics: an instant beyond the years of its time library. */
  | 'bottlerocket/time-panic'
  | 'bottlerocket/version-lock'
  /** A wave file that is not TOML, or a value of the wrong type in it. */
  | 'bottlerocket/wave-format'
  /** Not from 1 to 100. */
  | 'bottlerocket/percentage'
  /** `start_after` is no duration that pubsys reads. */
  | 'bottlerocket/offset'
  /** Times do not rise along the seeds. */
  | 'bottlerocket/unordered';

/** What updog or pubsys would refuse, or where they would panic. */
export class BottlerocketError extends ExpectedError<BottlerocketErrorCode> {}

/** Text of unknown length and content, fit for a message. */
export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
