import TinyQueue from 'tinyqueue';
import { decideAmong } from './decide.ts';
import type { Decision } from './decide.ts';
import { NOT_COUNTED } from './fleet/limit.ts';
import type { LeaseCount } from './fleet/limit.ts';
import type { FleetRules, Member } from './fleet/rules.ts';
import type { ReleaseRef, Rollout } from './rollout.ts';
import { SimulatedCounts } from './simulated-counts.ts';
import type { GroupResult, GroupStandings, LargestStep, Standings } from './simulated-counts.ts';
import { SimulatedHosts } from './simulated-hosts.ts';
import type { SimulatedHost } from './simulated-hosts.ts';
import { SimulatedLeases } from './simulated-leases.ts';
import { SimulatedRollout } from './simulated-rollout.ts';
import { letThroughAt } from './tide.ts';

export type SimulationOptions = {
  /** Fresh from its start, whose time is the beginning of the simulation. */
  readonly rollout: Rollout;
  /** Of the platform of the release. */
  readonly hosts: readonly SimulatedHost[];
  readonly rules: FleetRules;
  /** Hosts of other platforms, which count where a limit is a share of its hosts. */
  readonly neighbours: readonly Member[];
  /** How often a host polls, at a phase of its own. */
  readonly pollMs: number;
  /** From the answer of a poll to the report of its outcome. */
  readonly installMs: number;
  /** How long a host that never reports holds its leases. */
  readonly leaseMs: number;
  /** Shares from 0 to 1 of the hosts that report a failure, and that never report. */
  readonly failing: number;
  readonly silent: number;
  /** How long a person takes to approve at a gate; null is for ever. */
  readonly approveAfterMs: number | null;
  /** The release to go back to if the policy sends hosts back. */
  readonly wayBack: ReleaseRef | null;
  /** The simulation ends after so long, if nothing is left to happen before. */
  readonly limitMs: number;
  readonly sampleMs: number;
  /** 0 <= n < 1, the next one at each call. */
  readonly random: () => number;
};

/** How it stood at a moment. `atMs` counts from the start. */
export type Sample = Standings & {
  readonly atMs: number;
  /** 0..2048; of a rollout that sends hosts back, how many seeds were let go. */
  readonly tide: number;
  readonly state: Rollout['state'];
  /** Empty where the fleet has no groups. */
  readonly groups: readonly GroupStandings[];
};

export type Simulation = {
  readonly samples: readonly Sample[];
  /** As it was left, with the whole history of what the server and people did. */
  readonly rollout: Rollout;
  /** When nothing was left to happen, or the limit. */
  readonly endedAtMs: number;
  readonly largestStep: LargestStep;
  /** Hosts that went back to the older release. */
  readonly sentBack: number;
  /** How many hosts wait at the end, or need nothing, by the reason that they are told. */
  readonly held: Readonly<Record<string, number>>;
  /** Empty where the fleet has no groups. */
  readonly groups: readonly GroupResult[];
};

type Event = { readonly atMs: number } &
  /** A host that waited for a lease is `called` when one is free. */
  (
    | { readonly kind: 'poll' | 'called'; readonly host: number }
    | { readonly kind: 'returned' | 'lease-end'; readonly host: number }
    | { readonly kind: 'outcome'; readonly host: number; readonly isGood: boolean }
    | { readonly kind: 'overdue'; readonly host: number }
    | { readonly kind: 'gate' }
    | { readonly kind: 'approve'; readonly opening: number }
  );

/**
 * A rollout in virtual time, decided by the functions that decide for real hosts. A host is only asked when the answer can
 * have changed: at the poll after the instant that its last answer named, and whenever the rollout itself changes. Hosts
 * that failed do not try again.
 */
export function simulate(options: SimulationOptions): Simulation {
  return new Run(options).run();
}

class Run {
  readonly #options: SimulationOptions;
  readonly #beginMs: number;
  readonly #queue = new TinyQueue<Event>([], (a, b) => a.atMs - b.atMs);
  readonly #hosts: SimulatedHosts;
  readonly #leases: SimulatedLeases;
  readonly #counts: SimulatedCounts;
  readonly #samples: Sample[] = [];
  readonly #rollout: SimulatedRollout;

  constructor(options: SimulationOptions) {
    const { hosts, rules, neighbours, rollout, wayBack, pollMs, random } = options;
    this.#options = options;
    this.#rollout = new SimulatedRollout(rollout, wayBack);
    this.#beginMs = rollout.runningSince?.getTime() ?? 0;
    this.#hosts = new SimulatedHosts(hosts, pollMs, random);
    this.#leases = new SimulatedLeases(this.#hosts, rules, neighbours);
    this.#counts = new SimulatedCounts(this.#hosts, rules);
  }

  run(): Simulation {
    const { limitMs, sampleMs } = this.#options;
    this.#askEveryone(0);
    let atMs = 0;
    for (let event = this.#queue.pop(); event !== undefined; event = this.#queue.pop()) {
      atMs = Math.min(event.atMs, limitMs);
      this.#sampleUntil(atMs);
      if (event.atMs > limitMs) break;
      this.#happen(event);
    }
    this.#sampleUntil(atMs + sampleMs);
    this.#findHeld(atMs);
    const { largestStep, sentBack, held, results: groups } = this.#counts;
    return {
      ...{ samples: this.#samples, rollout: this.#rollout.current, endedAtMs: atMs },
      ...{ largestStep, sentBack, held, groups },
    };
  }

  #happen(event: Event): void {
    const { atMs } = event;
    switch (event.kind) {
      case 'poll':
        this.#poll(event.host, atMs);
        return;
      case 'called':
        this.#poll(event.host, atMs);
        this.#call(this.#leases.answered(event.host, atMs), atMs);
        return;
      case 'outcome':
        this.#settle(event.host, event.isGood ? 'updated' : 'failed', atMs);
        this.#free(event.host, atMs);
        return;
      case 'returned':
        this.#hosts.stand(event.host, 'returned');
        this.#counts.sendBack(event.host);
        this.#free(event.host, atMs);
        return;
      case 'lease-end':
        this.#free(event.host, atMs);
        return;
      case 'overdue':
        this.#settle(event.host, 'overdue', atMs);
        return;
      case 'gate':
        this.#judge(atMs);
        return;
      case 'approve':
        if (this.#rollout.approve(event.opening, this.#dateOf(atMs))) this.#askEveryone(atMs);
    }
  }

  /** Whoever may still start, or has to go back, learns when. */
  #askEveryone(atMs: number): void {
    for (const host of this.#hosts.indexes) this.#ask(host, atMs);
    const gate = this.#rollout.gateAhead();
    if (gate === null) return;
    const gateMs = Math.max(atMs, gate.reachedAt.getTime() - this.#beginMs);
    this.#queue.push({ atMs: gateMs, kind: 'gate' });
    const { approveAfterMs } = this.#options;
    if (approveAfterMs !== null && gate.lacksApproval) {
      this.#queue.push({ atMs: gateMs + approveAfterMs, kind: 'approve', opening: gate.index });
    }
  }

  #ask(host: number, atMs: number): void {
    if (!this.#asks(host)) return;
    // A lease that is out now will be free some time: what time decides is asked here.
    const decision = this.#decide(host, atMs, NOT_COUNTED);
    const eligibleMs =
      decision.decision === 'update'
        ? atMs
        : decision.eligibleAt === null
          ? Number.NaN
          : decision.eligibleAt.getTime() - this.#beginMs;
    if (!this.#hosts.setEligible(host, eligibleMs)) return;
    this.#leases.leave(host);
    if (Number.isNaN(eligibleMs)) return;
    this.#queue.push({ atMs: this.#hosts.nextPoll(host, eligibleMs), kind: 'poll', host });
  }

  #poll(host: number, atMs: number): void {
    if (!this.#asks(host)) return;
    const decision = this.#decide(host, atMs, this.#leases.count);
    if (decision.decision === 'stay') {
      if (decision.reason === 'concurrency') this.#leases.wait(host);
      else this.#ask(host, atMs);
      return;
    }
    this.#leases.take(host);
    if (decision.direction === 'rollback') {
      this.#hosts.stand(host, 'returning');
      const { installMs } = this.#options;
      this.#queue.push({ atMs: atMs + installMs, kind: 'returned', host });
    } else {
      this.#counts.offer(host, this.#hosts.eligibleOf(host));
      this.#install(host, atMs);
    }
  }

  #free(host: number, atMs: number): void {
    this.#call(this.#leases.free(host, atMs), atMs);
  }

  /** They poll when their time comes, and are eligible from now on. */
  #call(hosts: readonly number[], atMs: number): void {
    for (const host of hosts) {
      this.#hosts.setEligible(host, atMs);
      this.#queue.push({ atMs: this.#hosts.nextPoll(host, atMs), kind: 'called', host });
    }
  }

  #install(host: number, atMs: number): void {
    const { installMs, leaseMs, failing, silent, random } = this.#options;
    const { outcomeWithinMs } = this.#rollout.current.policy;
    const chance = random();
    if (chance < failing || chance < 1 - silent) {
      this.#hosts.stand(host, 'busy');
      const isGood = chance >= failing;
      this.#queue.push({ atMs: atMs + installMs, kind: 'outcome', host, isGood });
      return;
    }
    this.#hosts.stand(host, 'silent');
    if (this.#leases.isBounded(host)) {
      this.#queue.push({ atMs: atMs + leaseMs, kind: 'lease-end', host });
    }
    if (outcomeWithinMs === null) return;
    this.#queue.push({ atMs: atMs + outcomeWithinMs, kind: 'overdue', host });
  }

  #settle(host: number, standing: 'updated' | 'failed' | 'overdue', atMs: number): void {
    this.#hosts.stand(host, standing);
    this.#counts.settle(host, standing);
    this.#judge(atMs);
    if (this.#rollout.current.sentBackTo !== null) this.#ask(host, atMs);
  }

  #judge(atMs: number): void {
    if (this.#rollout.judge(this.#counts.evidence, this.#dateOf(atMs))) this.#askEveryone(atMs);
  }

  /** Of the others none will poll for something new. */
  #asks(host: number): boolean {
    const standing = this.#hosts.standingOf(host);
    return standing === 'idle' || standing === 'updated';
  }

  #decide(host: number, atMs: number, leases: LeaseCount): Decision {
    const { variant, arch, version } = this.#rollout.current.release;
    const self = { ...this.#hosts.describe(host, version), variant, arch };
    const { rules } = this.#options;
    return decideAmong(
      self,
      { rollouts: [this.#rollout.current], rules, leases },
      this.#dateOf(atMs),
    );
  }

  #findHeld(atMs: number): void {
    for (const host of this.#hosts.indexes) {
      if (this.#hosts.standingOf(host) !== 'idle') continue;
      const decision = this.#decide(host, atMs, this.#leases.count);
      // Who is let through has not polled yet.
      this.#counts.hold(host, decision.decision === 'stay' ? decision.reason : 'let-through');
    }
  }

  #sampleUntil(endMs: number): void {
    const { sampleMs } = this.#options;
    for (let atMs = this.#samples.length * sampleMs; atMs < endMs; atMs += sampleMs) {
      const tide = letThroughAt(this.#rollout.current, this.#dateOf(atMs));
      const { state } = this.#rollout.current;
      const { standings, groups } = this.#counts;
      this.#samples.push({ atMs, tide, state, ...standings, groups });
    }
  }

  #dateOf(atMs: number): Date {
    return new Date(this.#beginMs + atMs);
  }
}
