import { compareVersions } from '../version.ts';
import { BottlerocketError } from './errors.ts';
import type { Migration } from './manifest.ts';

/**
 * updog's `find_migrations`: names in the order in which they run from one version to the other; on the way down those of
 * the way up, reversed. Each step goes as far as it can and never turns back, so a dead end is an error although another
 * way may exist. Throws BottlerocketError.
 */
export function findMigrations(
  migrations: readonly Migration[],
  from: string,
  to: string,
): readonly string[] {
  return compareVersions(from, to) <= 0
    ? findUpwards(migrations, from, to)
    : findUpwards(migrations, to, from).toReversed();
}

function findUpwards(
  migrations: readonly Migration[],
  from: string,
  to: string,
): readonly string[] {
  const names: string[] = [];
  const passed = new Set<string>();
  let version = from;
  while (version !== to) {
    // updog would walk in this circle for ever.
    if (passed.has(version)) {
      throw new BottlerocketError(
        'bottlerocket/endless-migrations',
        `migrations from ${from} to ${to}: they lead from ${version} back to ${version}`,
      );
    }
    passed.add(version);
    const step = farthestStep(migrations, version, to);
    if (step === undefined) {
      throw new BottlerocketError(
        'bottlerocket/missing-migration',
        `migrations from ${from} to ${to}: none leads on from ${version}`,
      );
    }
    names.push(...step.names);
    version = step.to;
  }
  return names;
}

function farthestStep(
  migrations: readonly Migration[],
  from: string,
  target: string,
): Migration | undefined {
  return migrations
    .filter((step) => step.from === from && compareVersions(step.to, target) <= 0)
    .toSorted((a, b) => compareVersions(b.to, a.to))[0];
}
