import { groupOf } from './rules.ts';
import type { ConcurrencyRule, FleetRules, Group, Member } from './rules.ts';

/** A limit that concerns a host. Hosts with the same key share it. */
export type HostLimit = { readonly key: string; readonly limit: ConcurrencyRule['limit'] };

/** How many leases under a key stand in a host's way, and how many hosts share the key; null if nobody counts them here. */
export type LeaseCount = (
  key: string,
) => { readonly inUse: number; readonly members: number } | null;

/** For a program that grants no leases: the server alone can. */
export const NOT_COUNTED: LeaseCount = () => null;

/** Every limit of the host's group, each with the key whose leases it bounds; a host must get a lease of each. */
export function limitsOf(host: Member, rules: FleetRules): readonly HostLimit[] {
  const group = groupOf(host, rules);
  return group === null ? [] : limitsIn(group, host);
}

/** As `limitsOf`, of a host whose group is known. Hosts without the label share one key. */
export function limitsIn(group: Group, host: Member): readonly HostLimit[] {
  return group.concurrency.map(({ limit, perLabel }) => ({
    key: JSON.stringify(
      perLabel === null ? [group.name] : [group.name, perLabel, host.labels?.[perLabel] ?? null],
    ),
    limit,
  }));
}

/** How many hosts may be under way at once of `members` that share the limit. A share is rounded down, yet at least one. */
export function ceilingOf(limit: ConcurrencyRule['limit'], members: number): number {
  return limit.kind === 'count'
    ? limit.count
    : Math.max(1, Math.floor((members * limit.percent) / 100));
}
