import { ExpectedError } from '../../core/errors.ts';
import { printable } from '../../core/tuf/lint/raw.ts';

/** From the most serious kind to the least: the exit code tells the first one that was found. */
export const FINDING_KINDS = [
  /** Something trusted earlier was taken back or changed. */
  'rollback',
  /** The first root, from which hosts start, is none. */
  'root',
  /** Metadata is malformed, not signed well enough, or not what other metadata says of it. */
  'metadata',
  'version',
  'expired',
  'missing-metadata',
  /** Some client refuses or misreads it, though not all do. */
  'profile',
  /** A target's bytes are not those that are listed. */
  'target',
  'target-missing',
  /** No answer, or one that hosts cannot go on with. */
  'transport',
  'expires-soon',
] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];
export type VerifyErrorCode = `verify/${FindingKind}`;

/** What stands between the repository and hosts; a warning only costs time or traffic. */
export type Finding = {
  readonly kind: FindingKind;
  readonly severity: 'error' | 'warning';
  readonly where: string;
  readonly what: string;
};

/** Thrown for the most serious error that was found. */
export class VerifyError extends ExpectedError<VerifyErrorCode> {}

export function errorIn(kind: FindingKind, where: string, what: string): Finding {
  return { kind, severity: 'error', where: printable(where), what: printable(what) };
}

export function warningIn(kind: FindingKind, where: string, what: string): Finding {
  return { ...errorIn(kind, where, what), severity: 'warning' };
}

/** Errors before warnings, and the most serious kind first. */
export function bySeriousness(findings: readonly Finding[]): readonly Finding[] {
  const rank = ({ kind, severity }: Finding) =>
    FINDING_KINDS.indexOf(kind) + (severity === 'error' ? 0 : FINDING_KINDS.length);
  return findings.toSorted((a, b) => rank(a) - rank(b));
}

/** One finding for the same thing in many places, so that one wrong setting does not fill the screen. */
export function together(findings: readonly Finding[]): readonly Finding[] {
  const groups = Map.groupBy(findings, ({ kind, severity, what }) => [kind, severity, what].join());
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const more = others.length === 0 ? '' : ` and ${others.length} more`;
    return [{ ...first, where: first.where + more }];
  });
}
