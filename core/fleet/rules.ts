import { isSelected } from './selector.ts';
import type { Selector } from './selector.ts';
import type { VersionRange } from './version-range.ts';

/** Hours of the week in which hosts may start an update. */
export type MaintenanceWindow = {
  /** ISO numbers of the days on which it opens: 1 is Monday, 7 is Sunday. */
  readonly days: readonly number[];
  /** `HH:MM` on the wall; a `to` that is not later is on the day after. */
  readonly from: string;
  readonly to: string;
  /** IANA name. */
  readonly timeZone: string;
};

/** A time in which no host starts, of the named groups or of all. */
export type Freeze = {
  readonly from: Date;
  readonly to: Date;
  readonly reason: string;
  readonly groups: readonly string[] | null;
};

/** How many hosts may be under way at once: of the group, or of each value of a label in it. */
export type ConcurrencyRule = {
  readonly limit:
    | { readonly kind: 'count'; readonly count: number }
    | { readonly kind: 'share'; readonly percent: number };
  /** The name of a label, or null for the group as a whole. */
  readonly perLabel: string | null;
};

/** All that is given must match; with nothing given, the group that the host declares must have the group's name. */
export type Match = {
  readonly group: string | null;
  readonly labels: Selector | null;
  readonly hosts: ReadonlySet<string> | null;
};

export type Group = {
  readonly name: string;
  readonly match: Match;
  /** Canary: its hosts are through as soon as the first wave opens. */
  readonly isFirst: boolean;
  /** How far it follows behind the tide, on the rollout's clock. */
  readonly delayMs: number;
  readonly windows: readonly MaintenanceWindow[];
  readonly concurrency: readonly ConcurrencyRule[];
  /** The releases that its hosts may be given; null is any. */
  readonly versions: VersionRange | null;
  /** Whether a way back waits for windows and freezes too. */
  readonly rollback: 'at-once' | 'waits';
};

export type DeadEnd = { readonly versions: VersionRange; readonly reason: string };

/** What the fleet asks of every rollout: kept in the signed manifest, so that agents without a server obey it too. */
export type FleetRules = {
  /** In order of precedence: a host belongs to the first that matches. */
  readonly groups: readonly Group[];
  readonly freezes: readonly Freeze[];
  /** The one version that a host may be given, by host. */
  readonly pins: ReadonlyMap<string, string>;
  /** Why a host is left alone, by host. */
  readonly excludes: ReadonlyMap<string, string>;
  readonly deadEnds: readonly DeadEnd[];
};

export const NO_RULES: FleetRules = {
  groups: [],
  freezes: [],
  pins: new Map(),
  excludes: new Map(),
  deadEnds: [],
};

/** What groups are told apart by. */
export type Member = {
  readonly id: string;
  readonly group?: string | null | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
};

/** The first group that matches the host, or null. */
export function groupOf(host: Member, { groups }: FleetRules): Group | null {
  return groups.find((group) => isMember(host, group)) ?? null;
}

function isMember(host: Member, { match }: Group): boolean {
  return (
    (match.group === null || match.group === host.group) &&
    (match.labels === null || isSelected(match.labels, host.labels ?? {})) &&
    (match.hosts === null || match.hosts.has(host.id))
  );
}
