import { formatDuration } from '../duration.ts';
import { formatInstant } from '../instant.ts';
import type { ConcurrencyRule, FleetRules, Freeze, Group, MaintenanceWindow } from './rules.ts';
import { DAYS } from './schema.ts';

type Json = Readonly<Record<string, unknown>>;

/** The value that `readRules` reads back to the same rules; what says nothing is left out. */
export function rulesToJson(rules: FleetRules): Json {
  return {
    ...unlessEmpty('groups', rules.groups.map(groupToJson)),
    ...unlessEmpty('freezes', rules.freezes.map(freezeToJson)),
    ...(rules.pins.size === 0 ? {} : { pins: Object.fromEntries(rules.pins) }),
    ...(rules.excludes.size === 0 ? {} : { excludes: Object.fromEntries(rules.excludes) }),
    ...unlessEmpty(
      'dead_ends',
      rules.deadEnds.map(({ versions, reason }) => ({ versions: versions.text, reason })),
    ),
  };
}

export function groupToJson(group: Group): Json {
  const { group: declared, labels, hosts } = group.match;
  const isByName = declared === group.name && labels === null && hosts === null;
  const match = {
    ...(declared === null ? {} : { group: declared }),
    ...(labels === null ? {} : { labels: labels.text }),
    ...(hosts === null ? {} : { hosts: [...hosts] }),
  };
  return {
    name: group.name,
    ...(isByName ? {} : { match }),
    ...(group.isFirst ? { first: true } : {}),
    ...(group.delayMs === 0 ? {} : { delay: formatDuration(group.delayMs) }),
    ...unlessEmpty('windows', group.windows.map(windowToJson)),
    ...unlessEmpty('concurrency', group.concurrency.map(concurrencyToJson)),
    ...(group.versions === null ? {} : { versions: group.versions.text }),
    ...(group.rollback === 'at-once' ? {} : { rollback: group.rollback }),
  };
}

export function freezeToJson({ from, to, reason, groups }: Freeze): Json {
  return {
    from: formatInstant(from),
    to: formatInstant(to),
    reason,
    ...(groups === null ? {} : { groups }),
  };
}

function windowToJson({ days, from, to, timeZone }: MaintenanceWindow): Json {
  return { days: days.map((day) => DAYS[day - 1]), from, to, time_zone: timeZone };
}

function concurrencyToJson({ limit, perLabel }: ConcurrencyRule): Json {
  return {
    limit: limit.kind === 'count' ? limit.count : `${limit.percent} %`,
    ...(perLabel === null ? {} : { per: perLabel }),
  };
}

function unlessEmpty(key: string, list: readonly unknown[]): Json {
  return list.length === 0 ? {} : { [key]: list };
}
