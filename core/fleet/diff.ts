import type { FleetRules } from './rules.ts';
import { groupToJson, rulesToJson } from './write-rules.ts';

/** One difference between two sets of rules: where, and what stood and stands there; null is nothing. */
export type RuleChange = {
  readonly where: string;
  readonly before: string | null;
  readonly after: string | null;
};

/** What changes for hosts, in the order of the rules; empty if both mean the same. */
export function diffRules(before: FleetRules, after: FleetRules): readonly RuleChange[] {
  return [
    ...orderChange(before, after),
    ...groupChanges(before, after),
    ...setChanges('freezes', rulesToJson(before)['freezes'], rulesToJson(after)['freezes']),
    ...mapChanges('pins', before.pins, after.pins),
    ...mapChanges('excludes', before.excludes, after.excludes),
    ...setChanges('dead_ends', rulesToJson(before)['dead_ends'], rulesToJson(after)['dead_ends']),
  ];
}

/** For people: `+ where: value`, `- where: value`, `~ where: before -> after`. */
export function changeLine({ where, before, after }: RuleChange): string {
  if (before === null) return `+ ${where}: ${after}`;
  return after === null ? `- ${where}: ${before}` : `~ ${where}: ${before} -> ${after}`;
}

/** The first group that matches wins, so the order is a rule of its own. */
function orderChange(before: FleetRules, after: FleetRules): readonly RuleChange[] {
  const names = (rules: FleetRules) => rules.groups.map(({ name }) => name);
  const kept = (rules: FleetRules, other: FleetRules) =>
    names(rules)
      .filter((name) => names(other).includes(name))
      .join(', ');
  if (kept(before, after) === kept(after, before)) return [];
  return [
    { where: 'order of groups', before: names(before).join(', '), after: names(after).join(', ') },
  ];
}

function groupChanges(before: FleetRules, after: FleetRules): readonly RuleChange[] {
  const tables = (rules: FleetRules) =>
    new Map(rules.groups.map((group) => [group.name, groupToJson(group)]));
  const [old, next] = [tables(before), tables(after)];
  return union(old.keys(), next.keys()).flatMap((name) => {
    const [from, to] = [old.get(name), next.get(name)];
    const where = `group ${name}`;
    if (from === undefined || to === undefined) {
      return [{ where, before: text(from), after: text(to) }];
    }
    return union(Object.keys(from), Object.keys(to)).flatMap((key) =>
      change(`${where}: ${key}`, text(from[key]), text(to[key])),
    );
  });
}

function setChanges(where: string, before: unknown, after: unknown): readonly RuleChange[] {
  const items = (list: unknown) =>
    Array.isArray(list) ? list.map((item) => JSON.stringify(item)) : [];
  const [old, next] = [items(before), items(after)];
  return union(old, next).flatMap((item) =>
    change(where, old.includes(item) ? item : null, next.includes(item) ? item : null),
  );
}

function mapChanges(
  where: string,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly RuleChange[] {
  return union(before.keys(), after.keys()).flatMap((host) =>
    change(`${where}: ${host}`, text(before.get(host)), text(after.get(host))),
  );
}

function change(where: string, before: string | null, after: string | null) {
  return before === after ? [] : [{ where, before, after }];
}

function text(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

function union(a: Iterable<string>, b: Iterable<string>): readonly string[] {
  return [...new Set([...a, ...b])];
}
