import { ceilingOf, limitsOf } from './fleet/limit.ts';
import type { LeaseCount } from './fleet/limit.ts';
import type { FleetRules, Member } from './fleet/rules.ts';
import { PlaceSet } from './place-set.ts';
import type { SimulatedHosts } from './simulated-hosts.ts';

type Limit = {
  /** The lowest, where several rules of a group count the same hosts. */
  ceiling: number;
  readonly members: number;
  /** Of which hosts this limit is one of the limits. */
  readonly queues: Queue[];
  inUse: number;
};

/** Hosts under the same limits. Those that wait stand in a circle, in the order in which they poll. */
type Queue = {
  readonly limits: readonly Limit[];
  readonly members: number[];
  phases: Float64Array;
  waiting: PlaceSet;
  /** Whether the next of them was told to poll, and has not polled since. */
  isCalled: boolean;
};

/**
 * Leases in virtual time. A host that waits for one polls on and on, and nearly always in vain: so it is looked at only when a lease is
 * free and it is the first to come for it. Whoever polls without having waited may be faster, as in reality.
 */
export class SimulatedLeases {
  readonly #hosts: SimulatedHosts;
  readonly #limits = new Map<string, Limit>();
  readonly #queues: readonly Queue[];
  /** Index of a host's queue, and its place in the circle; -1 without a limit. */
  readonly #queueOf: Int32Array;
  readonly #placeOf: Int32Array;

  /** `neighbours` share the limits, and do nothing in the simulation. */
  constructor(hosts: SimulatedHosts, rules: FleetRules, neighbours: readonly Member[]) {
    this.#hosts = hosts;
    this.#queueOf = new Int32Array(hosts.count).fill(-1);
    this.#placeOf = new Int32Array(hosts.count);
    const isBounded = rules.groups.some(({ concurrency }) => concurrency.length > 0);
    this.#queues = isBounded ? this.#fill(rules, neighbours) : [];
  }

  /** For `decide`. */
  readonly count: LeaseCount = (key) => this.#limits.get(key) ?? null;

  isBounded(host: number): boolean {
    return this.#queueOf[host] !== -1;
  }

  /** The host starts. */
  take(host: number): void {
    this.leave(host);
    for (const limit of this.#queue(host)?.limits ?? []) limit.inUse += 1;
  }

  /** The host is not under way any more. Returns the hosts that come for its leases: each is the next one of its kind to poll. */
  free(host: number, atMs: number): readonly number[] {
    const limits = this.#queue(host)?.limits ?? [];
    const opened = limits.filter(({ inUse, ceiling }) => inUse === ceiling);
    for (const limit of limits) limit.inUse -= 1;
    return opened.flatMap(({ queues }) => queues.flatMap((queue) => this.#call(queue, atMs)));
  }

  /** The host polled, and all leases were out. */
  wait(host: number): void {
    this.#queue(host)?.waiting.add(this.#placeOf[host] ?? 0);
  }

  /** The host waits for something else, or for nothing. */
  leave(host: number): void {
    this.#queue(host)?.waiting.delete(this.#placeOf[host] ?? 0);
  }

  /** The host that was called has polled. Returns who comes next, as `free` does. */
  answered(host: number, atMs: number): readonly number[] {
    const queue = this.#queue(host);
    if (queue === null) return [];
    queue.isCalled = false;
    return this.#call(queue, atMs);
  }

  #call(queue: Queue, atMs: number): readonly number[] {
    if (queue.isCalled || queue.limits.some(({ inUse, ceiling }) => inUse >= ceiling)) return [];
    const place = queue.waiting.nextFrom(firstFrom(queue.phases, this.#hosts.phaseAt(atMs)));
    if (place === null) return [];
    queue.isCalled = true;
    return [queue.members[place] ?? 0];
  }

  #queue(host: number): Queue | null {
    return this.#queues[this.#queueOf[host] ?? -1] ?? null;
  }

  #fill(rules: FleetRules, neighbours: readonly Member[]): readonly Queue[] {
    const counted = this.#countMembers(rules, neighbours);
    const indexes = new Map<string, number>();
    const queues: Queue[] = [];
    for (const host of this.#hosts.indexes) {
      const limits = limitsOf(this.#hosts.memberOf(host), rules);
      if (limits.length === 0) continue;
      const name = limits.map(({ key }) => key).join('\n');
      const index = indexes.get(name) ?? queues.length;
      if (index === queues.length) {
        indexes.set(name, index);
        const own = limits.map(({ key, limit }) => this.#limitOf(key, limit, counted));
        queues.push(newQueue([...new Set(own)]));
      }
      queues[index]?.members.push(host);
      this.#queueOf[host] = index;
    }
    for (const queue of queues) this.#order(queue);
    return queues;
  }

  #countMembers(rules: FleetRules, neighbours: readonly Member[]): ReadonlyMap<string, number> {
    const counted = new Map<string, number>();
    const count = (member: Member) => {
      for (const { key } of limitsOf(member, rules)) counted.set(key, (counted.get(key) ?? 0) + 1);
    };
    for (const host of this.#hosts.indexes) count(this.#hosts.memberOf(host));
    neighbours.forEach(count);
    return counted;
  }

  #limitOf(
    key: string,
    limit: Parameters<typeof ceilingOf>[0],
    counted: ReadonlyMap<string, number>,
  ): Limit {
    const members = counted.get(key) ?? 0;
    const ceiling = ceilingOf(limit, members);
    const known = this.#limits.get(key) ?? { ceiling, members, queues: [], inUse: 0 };
    known.ceiling = Math.min(known.ceiling, ceiling);
    this.#limits.set(key, known);
    return known;
  }

  #order(queue: Queue): void {
    const { members } = queue;
    members.sort((a, b) => this.#hosts.phaseOf(a) - this.#hosts.phaseOf(b));
    members.forEach((host, place) => {
      this.#placeOf[host] = place;
    });
    queue.phases = Float64Array.from(members, (host) => this.#hosts.phaseOf(host));
    queue.waiting = new PlaceSet(members.length);
    for (const limit of queue.limits) limit.queues.push(queue);
  }
}

function newQueue(limits: readonly Limit[]): Queue {
  return {
    ...{ limits, members: [], isCalled: false },
    ...{ phases: new Float64Array(), waiting: new PlaceSet(0) },
  };
}

/** Index of the first number, in ascending order, that is not below this one; 0 if there is none. */
function firstFrom(numbers: Float64Array, least: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low === numbers.length ? 0 : low;
}
