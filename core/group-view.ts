import { z } from 'zod';
import { groupOf } from './fleet/rules.ts';
import type { FleetRules, Freeze, Member } from './fleet/rules.ts';
import { freezeToJson, groupToJson } from './fleet/write-rules.ts';

/** Hosts may say any version of themselves: beyond so many of a group, the rarest are only counted. */
const MOST_VERSIONS = 50;

const rulesSchema = z.record(z.string(), z.unknown());

const groupViewSchema = z.object({
  /** Null for the hosts in no group. */
  name: z.string().nullable(),
  /** As the file of the fleet spells them. */
  rules: rulesSchema,
  /** Those that name the group, and those of the whole fleet. */
  freezes: z.array(rulesSchema),
  /** What only a server knows is null without one. */
  hosts: z.int().nullable(),
  versions: z.array(
    z.object({ variant: z.string(), arch: z.string(), version: z.string(), hosts: z.int() }),
  ),
  /** Hosts that run other versions than those that are listed. */
  otherVersions: z.int(),
  /** Hosts that were offered a release and have not said how it went. */
  underWay: z.array(z.object({ rolloutId: z.string(), version: z.string(), hosts: z.int() })),
});

/** Body of `GET /api/v1/groups`, in the order in which hosts are matched; last the hosts in none, if there are some. */
export const groupListSchema = z.object({ groups: z.array(groupViewSchema) });

export type GroupView = z.infer<typeof groupViewSchema>;
export type GroupList = z.infer<typeof groupListSchema>;

type Counted = Member & Pick<GroupView['versions'][number], 'variant' | 'arch' | 'version'>;
type OfferedBy = Omit<GroupView['underWay'][number], 'hosts'>;

/** The groups of a fleet whose hosts are not known. */
export function groupsWithoutHosts(rules: FleetRules): GroupList {
  const unknown = { hosts: null, versions: [], otherVersions: 0, underWay: [] };
  return { groups: rules.groups.map((group) => ({ ...rulesOf(group.name, rules), ...unknown })) };
}

/** Counts the hosts of each group, one by one. */
export class GroupCount {
  readonly #rules: FleetRules;
  readonly #groups: ReadonlyMap<
    string | null,
    {
      readonly versions: Map<string, Tally<Counted>>;
      readonly underWay: Map<string, Tally<OfferedBy>>;
    }
  >;

  constructor(rules: FleetRules) {
    this.#rules = rules;
    this.#groups = new Map(
      [...rules.groups.map(({ name }) => name), null].map((name) => [
        name,
        { versions: new Map(), underWay: new Map() },
      ]),
    );
  }

  add(host: Counted): void {
    const { variant, arch, version } = host;
    const counts = this.#groups.get(this.#nameOf(host))?.versions;
    if (counts !== undefined) count(counts, `${variant}\n${arch}\n${version}`, host);
  }

  addUnderWay(host: Member, offered: OfferedBy): void {
    const counts = this.#groups.get(this.#nameOf(host))?.underWay;
    if (counts !== undefined) count(counts, offered.rolloutId, offered);
  }

  list(): GroupList {
    const groups = [...this.#groups].map(([name, { versions, underWay }]): GroupView => {
      const sorted = [...versions.values()].toSorted((a, b) => b.hosts - a.hosts);
      return {
        ...rulesOf(name, this.#rules),
        hosts: sum(sorted),
        versions: sorted
          .slice(0, MOST_VERSIONS)
          .map(({ of: { variant, arch, version }, hosts }) => ({
            ...{ variant, arch, version, hosts },
          })),
        otherVersions: sum(sorted.slice(MOST_VERSIONS)),
        underWay: [...underWay.values()].map(({ of, hosts }) => ({ ...of, hosts })),
      };
    });
    return { groups: groups.filter(({ name, hosts }) => name !== null || hosts !== 0) };
  }

  #nameOf(host: Member): string | null {
    return groupOf(host, this.#rules)?.name ?? null;
  }
}

type Tally<T> = { readonly of: T; hosts: number };

function count<T>(counts: Map<string, Tally<T>>, key: string, of: T): void {
  const known = counts.get(key);
  if (known === undefined) counts.set(key, { of, hosts: 1 });
  else known.hosts += 1;
}

function sum(tallies: readonly { readonly hosts: number }[]): number {
  return tallies.reduce((all, { hosts }) => all + hosts, 0);
}

function rulesOf(name: string | null, { groups, freezes }: FleetRules) {
  const group = groups.find((one) => one.name === name);
  const { name: _, ...rules } = group === undefined ? { name } : groupToJson(group);
  const isMeant = (freeze: Freeze) =>
    freeze.groups === null || (name !== null && freeze.groups.includes(name));
  return { name, rules, freezes: freezes.filter(isMeant).map(freezeToJson) };
}
