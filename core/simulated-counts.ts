import { groupOf } from './fleet/rules.ts';
import type { FleetRules } from './fleet/rules.ts';
import type { Counters } from './rollout.ts';
import type { SimulatedHosts } from './simulated-hosts.ts';

/** How many hosts stand where. */
export type Standings = Omit<Counters, 'successes' | 'failures'>;

/** The hosts of a group, or null for those in none. */
export type GroupStandings = Standings & { readonly group: string | null };

/** The most hosts that became eligible in one millisecond, and when. */
export type LargestStep = { readonly hosts: number; readonly atMs: number };

/** What became of a group. */
export type GroupResult = GroupStandings & {
  readonly hosts: number;
  /** Hosts that went back to the older release. */
  readonly sentBack: number;
  /** How many hosts wait at the end, by what holds them. */
  readonly held: Readonly<Record<string, number>>;
  readonly largestStep: LargestStep;
};

type Counted = { -readonly [K in keyof Standings]: number };

type GroupCount = {
  readonly name: string | null;
  readonly now: Counted;
  /** How many hosts became eligible in which millisecond. */
  readonly steps: Map<number, number>;
  /** How many hosts wait at the end, by what holds them. */
  readonly held: Map<string, number>;
  hosts: number;
  sentBack: number;
};

/** What is counted in a simulation, of each group and of all hosts. */
export class SimulatedCounts {
  /** Those of the rules in their order, and last the hosts in none. */
  readonly #groups: readonly GroupCount[];
  readonly #groupOf: Uint8Array;
  readonly #all: Counted = { offered: 0, updated: 0, failed: 0, overdue: 0 };
  #successes = 0;
  #failures = 0;

  constructor(hosts: SimulatedHosts, rules: FleetRules) {
    const names = rules.groups.map(({ name }) => name);
    this.#groups = [...names, null].map((name) => ({
      ...{ name, hosts: 0, sentBack: 0 },
      ...{ steps: new Map<number, number>(), held: new Map<string, number>() },
      now: { offered: 0, updated: 0, failed: 0, overdue: 0 },
    }));
    this.#groupOf = new Uint8Array(hosts.count);
    for (const host of hosts.indexes) {
      const group = groupOf(hosts.memberOf(host), rules);
      const index = group === null ? names.length : rules.groups.indexOf(group);
      this.#groupOf[host] = index;
      const count = this.#groups[index];
      if (count !== undefined) count.hosts += 1;
    }
  }

  /** What a rollout is judged by. */
  get evidence(): Counters {
    return { ...this.#all, successes: this.#successes, failures: this.#failures };
  }

  get standings(): Standings {
    return { ...this.#all };
  }

  /** Empty where the fleet has no groups. */
  get groups(): readonly GroupStandings[] {
    return this.#shown().map(({ name, now }) => ({ group: name, ...now }));
  }

  /** What is known at the end of each group; empty where the fleet has none. */
  get results(): readonly GroupResult[] {
    return this.#shown().map(({ name, now, hosts, sentBack, steps, held }) => ({
      ...{ group: name, hosts, ...now, sentBack, held: Object.fromEntries(held) },
      largestStep: largestOf(steps),
    }));
  }

  get largestStep(): LargestStep {
    return largestOf(sumOf(this.#groups.map(({ steps }) => steps)));
  }

  /** How many hosts wait at the end, by what holds them. */
  get held(): Readonly<Record<string, number>> {
    return Object.fromEntries(sumOf(this.#groups.map(({ held }) => held)));
  }

  get sentBack(): number {
    return this.#groups.reduce((sum, { sentBack }) => sum + sentBack, 0);
  }

  /** The host starts, having become eligible at this time. */
  offer(host: number, eligibleMs: number): void {
    this.#change(host, 'offered', 1);
    const steps = this.#of(host)?.steps;
    steps?.set(eligibleMs, (steps.get(eligibleMs) ?? 0) + 1);
  }

  settle(host: number, outcome: 'updated' | 'failed' | 'overdue'): void {
    this.#change(host, 'offered', -1);
    this.#change(host, outcome, 1);
    if (outcome === 'updated') this.#successes += 1;
    else this.#failures += 1;
  }

  sendBack(host: number): void {
    const group = this.#of(host);
    if (group !== undefined) group.sentBack += 1;
  }

  /** At the end: this is what holds the host. */
  hold(host: number, reason: string): void {
    const held = this.#of(host)?.held;
    held?.set(reason, (held.get(reason) ?? 0) + 1);
  }

  #change(host: number, standing: keyof Counted, by: number): void {
    this.#all[standing] += by;
    const group = this.#of(host);
    if (group !== undefined) group.now[standing] += by;
  }

  #of(host: number): GroupCount | undefined {
    return this.#groups[this.#groupOf[host] ?? 0];
  }

  /** Hosts in no group are worth a line only if there are some. */
  #shown(): readonly GroupCount[] {
    if (this.#groups.length === 1) return [];
    return this.#groups.filter(({ name, hosts }) => name !== null || hosts > 0);
  }
}

function sumOf<K>(all: readonly ReadonlyMap<K, number>[]): ReadonlyMap<K, number> {
  const sums = new Map<K, number>();
  for (const one of all) {
    for (const [key, count] of one) sums.set(key, (sums.get(key) ?? 0) + count);
  }
  return sums;
}

function largestOf(steps: ReadonlyMap<number, number>): LargestStep {
  let largest: LargestStep = { atMs: 0, hosts: 0 };
  for (const [atMs, hosts] of steps) if (hosts > largest.hosts) largest = { atMs, hosts };
  return largest;
}
