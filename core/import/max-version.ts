import type { Update } from '../bottlerocket/manifest.ts';
import { compareVersions } from '../version.ts';
import type { Listed } from './listing.ts';
import { policyOfWaves } from './waves-to-policy.ts';

/**
 * Why a variant and arch gets no rollouts, or null. Ours compiles the newest version in force into `max_version`, and
 * Bottlerocket hosts above it go back: so its newest version must be the source's `max_version`, else an import would
 * send hosts back that the source leaves alone.
 */
export function withholdingReason({
  updates,
  selected,
  hasMigrations,
  sharesChain,
  now,
}: {
  readonly updates: readonly Update[];
  readonly selected: readonly Listed[];
  readonly hasMigrations: boolean;
  readonly sharesChain: boolean;
  readonly now: Date;
}): string | null {
  if (selected.length === 0) return null;
  const ceilings = [...new Set(updates.map(({ maxVersion }) => maxVersion))].toSorted(
    compareVersions,
  );
  const [ceiling = ''] = ceilings;
  if (ceilings.length > 1) return `its updates disagree on max_version: ${ceilings.join(', ')}`;
  const newest = selected
    .filter(({ update }) => compareVersions(update.version, ceiling) <= 0)
    .at(-1);
  if (newest?.update.version !== ceiling) {
    return `max_version ${ceiling} is not among what is imported, so hosts that run it would be sent back`;
  }
  const above = selected.find(({ version }) => compareVersions(version, ceiling) > 0);
  if (newest.version !== ceiling) {
    return `max_version ${ceiling} is ${newest.version} here, so hosts that run ${ceiling} would be sent back or updated again`;
  }
  if (above !== undefined && above.version !== above.update.version) {
    return `${above.update.version} is ${above.version} here, which is above max_version ${ceiling}`;
  }
  const waves = policyOfWaves(newest.update.waves, now);
  if (waves.kind === 'inexpressible') {
    return `${ceiling} cannot have one, and without it hosts that run it would be sent back`;
  }
  if (hasMigrations && sharesChain) {
    return 'the destination serves other variants too, whose hosts would run its migrations (one repository a variant and arch, or --migrations drop)';
  }
  return null;
}
