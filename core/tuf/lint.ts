import { TufError } from './errors.ts';
import type { LintCheck, LintFinding } from './lint/check.ts';
import { DELEGATION_CHECKS } from './lint/delegation-checks.ts';
import { factsOf } from './lint/facts.ts';
import type { Clock } from './lint/facts.ts';
import { FILE_CHECKS } from './lint/file-checks.ts';
import { FORMAT_CHECKS } from './lint/format-checks.ts';
import { KEY_CHECKS } from './lint/key-checks.ts';
import { printable, rawRepository } from './lint/raw.ts';
import type { RawRepository } from './lint/raw.ts';
import { SIGNATURE_CHECKS } from './lint/signature-checks.ts';
import { TARGET_CHECKS } from './lint/target-checks.ts';
import type { RepositoryMetadata } from './repository-metadata.ts';

/** Every rule of the profile. */
export const LINT_CHECKS: readonly LintCheck[] = [
  ...FORMAT_CHECKS,
  ...KEY_CHECKS,
  ...SIGNATURE_CHECKS,
  ...DELEGATION_CHECKS,
  ...TARGET_CHECKS,
  ...FILE_CHECKS,
];

/** Everything in metadata of our own that breaks the profile, before it is signed; nothing if all clients can read it. */
export function lint(metadata: RepositoryMetadata): readonly LintFinding[] {
  return lintRaw(rawRepository(metadata), null);
}

/** Everything in a repository, whoever made it, that breaks the profile. Without a clock nothing is expired. */
export function lintRaw(
  repository: RawRepository,
  clock: Clock | null,
  checks: readonly LintCheck[] = LINT_CHECKS,
): readonly LintFinding[] {
  const facts = factsOf(repository, clock);
  return checks.flatMap(({ name, severity, reason, clients, find }) =>
    find(facts).map((place) => ({
      check: name,
      severity,
      where: printable(place.where),
      what: printable(place.what),
      reason,
      clients,
    })),
  );
}

/** Metadata that is published, if any is, and what a change makes of it. */
export type ProfileChange = {
  readonly before: RepositoryMetadata | null;
  readonly after: RepositoryMetadata;
};

/** Throws `tuf/profile` with the first error, and how many there are. */
export function assertProfile(metadata: RepositoryMetadata): void {
  refuse(errorsIn(metadata));
}

/** Throws `tuf/profile` with the first fault that the change adds. */
export function assertProfileOfChange(change: ProfileChange): void {
  refuse(faultsOfChange(change));
}

/**
 * Every rule that the change breaks in a place where it was not broken before. What is good stays good; what somebody
 * else's tool wrote can be gone on with and renewed, and be mended role by role by those who hold the keys.
 */
export function faultsOfChange({ before, after }: ProfileChange): readonly LintFinding[] {
  const errors = errorsIn(after);
  if (errors.length === 0 || before === null) return errors;
  const known = new Set(errorsIn(before).map(textOf));
  return errors.filter((error) => !known.has(textOf(error)));
}

function errorsIn(metadata: RepositoryMetadata): readonly LintFinding[] {
  return lint(metadata).filter(({ severity }) => severity === 'error');
}

function textOf({ check, where, what }: LintFinding): string {
  return JSON.stringify([check, where, what]);
}

function refuse(findings: readonly LintFinding[]): void {
  const [first] = findings;
  if (first === undefined) return;
  const more = findings.length === 1 ? '' : ` (and ${findings.length - 1} more findings)`;
  throw new TufError(
    'tuf/profile',
    `metadata breaks the rule ${first.check}: ${first.where}: ${first.what}${more}`,
    { hints: [first.reason] },
  );
}
