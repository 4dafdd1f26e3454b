import { seedsThrough } from './fleet/delay.ts';
import type { FleetRules, Group } from './fleet/rules.ts';
import { isInRange } from './fleet/version-range.ts';
import { currentRollouts } from './rollout.ts';
import type { Rollout } from './rollout.ts';
import { compareVersions } from './version.ts';

/**
 * Whom this rollout may let through, and no running rollout of a newer release does, so that they would lose an update with it:
 * in words; null if nobody would. Judges hosts by what the rules say of them, whether there are such hosts or not.
 */
export function uncovered(
  rollouts: readonly Rollout[],
  rollout: Rollout,
  rules: FleetRules,
  at: Date,
): string | null {
  const newer = currentRollouts(rollouts, rollout.release).filter(
    (other) => compareVersions(other.release.version, rollout.release.version) > 0,
  );
  const isCovered = (group: Group | null) =>
    newer.some((other) => covers(other, rollout, { group, rules, at }));
  if (!isCovered(null)) return 'no running rollout of a newer release lets through as many hosts';
  const group = rules.groups.find((one) => takes(one, rollout) && !isCovered(one));
  if (group !== undefined) {
    return `no running rollout of a newer release lets through as many hosts of group ${group.name}`;
  }
  const { version } = rollout.release;
  const [pinned] = [...rules.pins].find(([, pin]) => pin === version) ?? [];
  return pinned === undefined ? null : `host ${pinned} is pinned to ${version}`;
}

function covers(
  newer: Rollout,
  older: Rollout,
  {
    group,
    rules,
    at,
  }: { readonly group: Group | null; readonly rules: FleetRules; readonly at: Date },
): boolean {
  const { version, minimumFrom } = newer.release;
  return (
    newer.state === 'running' &&
    newer.seeds === 'stable' &&
    older.seeds === 'stable' &&
    isBarrierNoHigher(minimumFrom, older.release.minimumFrom) &&
    !rules.deadEnds.some(({ versions }) => isInRange(version, versions)) &&
    takes(group, newer) &&
    seedsThrough(newer, group, at) >= seedsThrough(older, group, at)
  );
}

function takes(group: Group | null, { release }: Rollout): boolean {
  const range = group?.versions ?? null;
  return range === null || isInRange(release.version, range);
}

function isBarrierNoHigher(newer: string | null, older: string | null): boolean {
  return newer === null || (older !== null && compareVersions(newer, older) <= 0);
}
