import type { Platform } from '../tuf/names.ts';

export type DifferenceCode =
  /** A version is not imported at all. */
  | 'import/version-name'
  | 'import/version-twice'
  | 'import/target-missing'
  | 'import/not-selected'
  | 'import/withdrawn'
  /** A version is imported under another name. */
  | 'import/version-mapped'
  /** No rollout is made, for one version or for the whole variant and arch. */
  | 'import/above-max-version'
  | 'import/rollouts-withheld'
  | 'import/rollout-kept'
  /** The rollout does not rise as the source's hosts do. */
  | 'import/waves-rise'
  | 'import/waves-bounds'
  | 'import/waves-first'
  | 'import/waves-moved'
  | 'import/waves-none'
  | 'import/waves-inexpressible'
  /** What the release document says differently, or says although the source does not. */
  | 'import/rollback'
  | 'import/terms-kept'
  | 'import/migrations-renamed'
  | 'import/migrations-dropped'
  | 'import/migrations-broken'
  | 'import/migrations-out-of-reach'
  /** What the source holds and the import leaves behind. */
  | 'import/unknown-field'
  | 'import/other-platform'
  | 'import/targets-left-behind'
  | 'import/platform-missing'
  | 'import/expired';

/** One thing that is not in the destination as it is in the source, in words and as data. */
export type Difference = {
  readonly code: DifferenceCode;
  /** Null where the whole source is meant. */
  readonly platform: Platform | null;
  /** The source's version, or null where the whole variant and arch is meant. */
  readonly version: string | null;
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
};

/** At most a few of many names, for a line that people read. */
export function some(names: readonly string[]): string {
  const shown = names.slice(0, 4).join(', ');
  return names.length <= 4 ? shown : `${shown} and ${names.length - 4} more`;
}
