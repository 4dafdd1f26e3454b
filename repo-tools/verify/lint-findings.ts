import type { LintFinding } from '../../core/tuf/lint/check.ts';
import { CLIENTS } from '../../core/tuf/lint/check.ts';
import { errorIn, warningIn } from './finding.ts';
import type { Finding, FindingKind } from './finding.ts';

/** What lint found, as what it does to hosts. Files that are not there are told elsewhere, with how they were answered. */
export function findingsOfLint(findings: readonly LintFinding[]): readonly Finding[] {
  return findings
    .filter(({ check }) => check !== 'missing-files')
    .map((finding) => {
      const { check, severity, where, what } = finding;
      const text = check === 'expired' ? `expired at ${what}` : `${check}: ${what}`;
      const kind = kindOf(finding);
      // Lint looks at files that lie somewhere; here they are what hosts get now.
      const isError = severity === 'error' || kind === 'expired' || kind === 'expires-soon';
      return isError ? errorIn(kind, where, text) : warningIn(kind, where, text);
    });
}

function kindOf({ check, what, clients }: LintFinding): FindingKind {
  switch (check) {
    case 'expired':
      return 'expired';
    case 'expires-soon':
      return 'expires-soon';
    case 'root-chain':
      return 'version';
    case 'meta-content':
      return what.includes(': version ') ? 'version' : 'metadata';
    default:
      // Where all clients agree it is the metadata that is wrong, else somebody's reading of it.
      return clients.length === CLIENTS.length ? 'metadata' : 'profile';
  }
}
