import { formatBytes } from '../../adapters/terminal/progress.ts';
import { formatInstant } from '../../core/instant.ts';
import { wordsOf } from '../../core/tuf/change-words.ts';
import type { Proposal } from '../../core/tuf/proposal.ts';
import type { Requirement } from '../../core/tuf/requirements.ts';
import type { Review } from '../../core/tuf/review.ts';

/** A review for a person, who reads it before signing. */
export function reviewLines(proposal: Proposal, review: Review): readonly string[] {
  const { id, by, reason, createdAt, base } = proposal;
  return [
    `proposal ${id} of ${by}, ${formatInstant(createdAt)}: ${reason}`,
    base === null
      ? 'the first metadata of a new repository'
      : `on top of root ${base.root.signed.version} and targets ${base.targets.signed.version}`,
    'what changes:',
    ...review.diffs.flatMap(({ role, changes }) =>
      changes.map((change) => `  ${role}: ${wordsOf(change)}`),
    ),
    'who may sign from then on:',
    ...review.holders.flatMap(({ role, threshold, keyIds }) => [
      `  ${role}, ${threshold} of ${keyIds.length}:`,
      ...keyIds.map((keyId) => `    ${keyId}`),
    ]),
    ...section('what it means:', review.consequences),
    ...section('must be mended:', review.problems),
    ...section('advised:', review.advice),
    'who signs:',
    ...review.requirements.flatMap(requirementLines),
    `to upload: about ${formatBytes(review.uploadBytes)} of metadata`,
    `fingerprint ${review.fingerprint}`,
  ];
}

function requirementLines({
  role,
  by,
  threshold,
  signed,
  missing,
  isMet,
}: Requirement): readonly string[] {
  return [
    `  ${role}, ${threshold} of the keys of ${by}: ${isMet ? 'done' : `${threshold - signed.length} more`}`,
    ...signed.map((keyId) => `    signed  ${keyId}`),
    ...missing.map((keyId) => `    not yet ${keyId}`),
  ];
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}
