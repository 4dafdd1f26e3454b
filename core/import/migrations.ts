import { BottlerocketError } from '../bottlerocket/errors.ts';
import type { Manifest, Migration } from '../bottlerocket/manifest.ts';
import { findMigrations } from '../bottlerocket/migrations.ts';
import { isTargetName } from '../tuf/names.ts';
import type { Platform } from '../tuf/names.ts';
import { some } from './difference.ts';
import type { Difference, DifferenceCode } from './difference.ts';
import type { Listed, SourceTarget, SourceTargets } from './listing.ts';

export type PlannedMigration = { readonly target: string; readonly source: SourceTarget };

export type MigrationsMode = 'copy' | 'drop';

/**
 * The migrations that lead from the update before to this one, as targets of ours. Only the releases role of the variant
 * and arch may sign them, so they get names below its prefix. What cannot be brought over is told.
 */
export function migrationsFor(
  { migrations }: Manifest,
  listed: readonly Listed[],
  index: number,
  options: {
    readonly platform: Platform;
    readonly targets: SourceTargets;
    readonly mode: MigrationsMode;
  },
): { readonly planned: readonly PlannedMigration[]; readonly differences: readonly Difference[] } {
  const { platform, targets, mode } = options;
  const own = listed[index];
  const before = listed[index - 1];
  if (own === undefined || before === undefined) return { planned: [], differences: [] };
  const tell = (code: DifferenceCode, text: string, names: readonly string[]): Difference => ({
    code,
    platform,
    version: own.update.version,
    text,
    data: { migrations: names },
  });
  const names = chain(migrations, before.update.version, own.update.version);
  if (names === null) {
    const text = `the source has no chain of migrations from ${before.update.version}; ours runs none`;
    return { planned: [], differences: [tell('import/migrations-broken', text, [])] };
  }
  if (names.length === 0) return { planned: [], differences: [] };
  if (mode === 'drop') {
    const text = `hosts will not run its migrations ${some(names)}`;
    return { planned: [], differences: [tell('import/migrations-dropped', text, names)] };
  }
  const found = names.map((name) => {
    const source = targets.get(name);
    const target = `${platform.variant}-${platform.arch}-${own.version}-${name}`;
    return source === undefined || !isTargetName(target) ? { name } : { name, target, source };
  });
  const missing = found.filter(({ target }) => target === undefined).map(({ name }) => name);
  if (missing.length > 0) {
    const text = `its migrations ${some(missing)} are no targets of the source, or cannot be named here; ours runs none`;
    return { planned: [], differences: [tell('import/migrations-broken', text, missing)] };
  }
  const planned = found.flatMap(({ target, source }) =>
    target === undefined ? [] : [{ target, source }],
  );
  const text = `its migrations get names of this variant and arch: ${some(planned.map(({ target }) => target))}`;
  return { planned, differences: [tell('import/migrations-renamed', text, names)] };
}

/** Every migration that `migrationsFor` can ask for. */
export function migrationNames({ migrations }: Manifest): readonly string[] {
  return [...new Set(migrations.flatMap(({ names }) => names))];
}

function chain(
  migrations: readonly Migration[],
  from: string,
  to: string,
): readonly string[] | null {
  try {
    return findMigrations(migrations, from, to);
  } catch (error) {
    if (error instanceof BottlerocketError) return null;
    throw error;
  }
}
