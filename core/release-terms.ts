import type { Release } from './release.ts';

/** What may change of a published release; images never do. */
export type ReleaseTerms = Pick<Release, 'rollbackTo' | 'minimumFrom' | 'notes'>;

/** One field of a release document before and after, and whom the change concerns. */
export type TermChange = {
  readonly field: keyof ReleaseTerms;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly effects: readonly string[];
};

/** What differs, field by field. The order of `rollbackTo` means nothing. */
export function diffTerms(before: Release, after: ReleaseTerms): readonly TermChange[] {
  const changes: readonly TermChange[] = [
    {
      field: 'rollbackTo',
      before: before.rollbackTo,
      after: after.rollbackTo,
      effects: rollbackEffects(before, after.rollbackTo),
    },
    {
      field: 'minimumFrom',
      before: listOf(before.minimumFrom),
      after: listOf(after.minimumFrom),
      effects: [
        after.minimumFrom === null
          ? `hosts of any older version may update to ${before.version}`
          : `hosts below ${after.minimumFrom} are not given ${before.version}, hosts from ${after.minimumFrom} on are`,
      ],
    },
    {
      field: 'notes',
      before: listOf(before.notes),
      after: listOf(after.notes),
      effects: ['no host acts on it'],
    },
  ];
  return changes.filter((change) => sorted(change.before) !== sorted(change.after));
}

/** Whether two documents speak of the same images, on whatever terms. */
export function isSameBuild(a: Release, b: Release): boolean {
  const build = (of: Release) =>
    JSON.stringify({ ...of, rollbackTo: [], minimumFrom: null, notes: null, amended: undefined });
  return build(a) === build(b);
}

function rollbackEffects({ version, rollbackTo }: Release, after: readonly string[]) {
  const added = after.filter((target) => !rollbackTo.includes(target));
  const taken = rollbackTo.filter((target) => !after.includes(target));
  const hosts = `hosts that run ${version}`;
  return [
    ...(added.length === 0 ? [] : [`${hosts} may be sent back to ${added.join(', ')}`]),
    ...(taken.length === 0
      ? []
      : [`${hosts} may not be sent back to ${taken.join(', ')} any more`]),
  ];
}

function listOf(value: string | null): readonly string[] {
  return value === null ? [] : [value];
}

function sorted(values: readonly string[]): string {
  return JSON.stringify(values.toSorted());
}
