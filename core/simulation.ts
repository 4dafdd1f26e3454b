import TinyQueue from 'tinyqueue';
import { decide } from './decide.ts';
import type { Decision, Host } from './decide.ts';
import { NO_RULES } from './fleet/rules.ts';
import { judge, reasonOf } from './judge.ts';
import type { Counters, ReleaseRef, Rollout } from './rollout.ts';
import { SimulatedHosts } from './simulated-hosts.ts';
import { closedGate, gateAt, instantOf, lacksApproval, letThroughAt } from './tide.ts';
import { applyVerb } from './verb.ts';
import type { Verb } from './verb.ts';
import { EVERYONE_AT_ONCE } from './wave.ts';

export type SimulationOptions = {
  /** Fresh from its start, whose time is the beginning of the simulation. */
  readonly rollout: Rollout;
  /** Each runs an older release at the beginning. */
  readonly hosts: readonly Pick<Host, 'id' | 'seed' | 'version'>[];
  /** How often a host polls, at a phase of its own. */
  readonly pollMs: number;
  /** From the answer of a poll to the report of its outcome. */
  readonly installMs: number;
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
export type Sample = Omit<Counters, 'successes' | 'failures'> & {
  readonly atMs: number;
  /** 0..2048; of a rollout that sends hosts back, how many seeds were let go. */
  readonly tide: number;
  readonly state: Rollout['state'];
};

export type Simulation = {
  readonly samples: readonly Sample[];
  /** As it was left, with the whole history of what the server and people did. */
  readonly rollout: Rollout;
  /** When nothing was left to happen, or the limit. */
  readonly endedAtMs: number;
  /** The most hosts that became eligible in one millisecond, and when. */
  readonly largestStep: { readonly hosts: number; readonly atMs: number };
  /** Hosts that went back to the older release. */
  readonly sentBack: number;
};

type Event = { readonly atMs: number } & (
  | { readonly kind: 'poll'; readonly host: number }
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
  /** How many hosts became eligible in which millisecond. */
  readonly #steps = new Map<number, number>();
  readonly #counters = {
    ...{ offered: 0, updated: 0, failed: 0, overdue: 0 },
    ...{ successes: 0, failures: 0 },
  };
  readonly #samples: Sample[] = [];
  #rollout: Rollout;
  #sentBack = 0;

  constructor(options: SimulationOptions) {
    const { hosts, rollout, pollMs, random } = options;
    this.#options = options;
    this.#rollout = rollout;
    this.#beginMs = rollout.runningSince?.getTime() ?? 0;
    this.#hosts = new SimulatedHosts(hosts, pollMs, random);
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
    const [first = [0, 0], ...others] = this.#steps;
    const largest = others.reduce((most, one) => (one[1] > most[1] ? one : most), first);
    return {
      samples: this.#samples,
      rollout: this.#rollout,
      endedAtMs: atMs,
      largestStep: { atMs: largest[0], hosts: largest[1] },
      sentBack: this.#sentBack,
    };
  }

  #happen(event: Event): void {
    const { atMs } = event;
    switch (event.kind) {
      case 'poll':
        this.#poll(event.host, atMs);
        return;
      case 'outcome':
        this.#settle(event.host, event.isGood ? 'updated' : 'failed', atMs);
        return;
      case 'overdue':
        this.#settle(event.host, 'overdue', atMs);
        return;
      case 'gate':
        this.#judge(atMs);
        return;
      case 'approve':
        this.#approve(event.opening, atMs);
    }
  }

  #approve(opening: number, atMs: number): void {
    const gate = gateAt(this.#rollout, this.#dateOf(atMs));
    if (gate?.index !== opening || !lacksApproval(this.#rollout, gate)) return;
    this.#apply({ kind: 'approve', ...this.#origin('approve', 'operator', atMs) }, atMs);
  }

  /** Whoever may still start, or has to go back, learns when. */
  #askEveryone(atMs: number): void {
    for (const host of this.#hosts.indexes) this.#ask(host, atMs);
    const gate = closedGate(this.#rollout);
    const { runningSince } = this.#rollout;
    if (gate === null || runningSince === null) return;
    const reachedMs = instantOf({ ...this.#rollout, runningSince }, gate.atMs).getTime();
    const gateMs = Math.max(atMs, reachedMs - this.#beginMs);
    this.#queue.push({ atMs: gateMs, kind: 'gate' });
    const { approveAfterMs } = this.#options;
    if (approveAfterMs !== null && lacksApproval(this.#rollout, gate)) {
      this.#queue.push({ atMs: gateMs + approveAfterMs, kind: 'approve', opening: gate.index });
    }
  }

  #ask(host: number, atMs: number): void {
    if (!this.#asks(host)) return;
    const decision = this.#decide(host, atMs);
    const eligibleMs =
      decision.decision === 'update'
        ? atMs
        : decision.eligibleAt === null
          ? Number.NaN
          : decision.eligibleAt.getTime() - this.#beginMs;
    if (!this.#hosts.setEligible(host, eligibleMs) || Number.isNaN(eligibleMs)) return;
    this.#queue.push({ atMs: this.#hosts.nextPoll(host, eligibleMs), kind: 'poll', host });
  }

  #poll(host: number, atMs: number): void {
    if (!this.#asks(host)) return;
    const decision = this.#decide(host, atMs);
    if (decision.decision === 'stay') {
      this.#ask(host, atMs);
    } else if (decision.direction === 'rollback') {
      this.#sentBack += 1;
      this.#hosts.stand(host, 'returned');
    } else {
      const eligibleMs = this.#hosts.eligibleOf(host);
      this.#steps.set(eligibleMs, (this.#steps.get(eligibleMs) ?? 0) + 1);
      this.#install(host, atMs);
    }
  }

  #install(host: number, atMs: number): void {
    const { installMs, failing, silent, random } = this.#options;
    const { outcomeWithinMs } = this.#rollout.policy;
    this.#counters.offered += 1;
    const chance = random();
    if (chance < failing || chance < 1 - silent) {
      this.#hosts.stand(host, 'busy');
      const isGood = chance >= failing;
      this.#queue.push({ atMs: atMs + installMs, kind: 'outcome', host, isGood });
      return;
    }
    this.#hosts.stand(host, 'silent');
    if (outcomeWithinMs === null) return;
    this.#queue.push({ atMs: atMs + outcomeWithinMs, kind: 'overdue', host });
  }

  #settle(host: number, standing: 'updated' | 'failed' | 'overdue', atMs: number): void {
    this.#hosts.stand(host, standing);
    this.#counters.offered -= 1;
    this.#counters[standing] += 1;
    this.#counters[standing === 'updated' ? 'successes' : 'failures'] += 1;
    this.#judge(atMs);
    if (this.#rollout.sentBackTo !== null) this.#ask(host, atMs);
  }

  #judge(atMs: number): void {
    const evidence = { ...this.#counters };
    const judgement = judge(this.#rollout, evidence, this.#dateOf(atMs));
    if (judgement === null) return;
    const reason = reasonOf(this.#rollout, judgement, evidence);
    const origin = { ...this.#origin(judgement.kind, 'server', atMs), reason };
    switch (judgement.kind) {
      case 'halt':
        this.#apply({ ...origin, kind: 'halt', evidence }, atMs);
        break;
      case 'pass-gate':
        this.#apply({ ...origin, kind: 'pass-gate', opening: judgement.opening, evidence }, atMs);
        break;
      case 'roll-back': {
        const { wayBack: to } = this.#options;
        if (to === null) return;
        this.#apply({ ...origin, kind: 'roll-back', to, policy: EVERYONE_AT_ONCE }, atMs);
      }
    }
    this.#judge(atMs);
  }

  #apply(verb: Verb, atMs: number): void {
    const [after] = applyVerb([this.#rollout], verb);
    if (after === undefined) return;
    this.#rollout = after;
    this.#askEveryone(atMs);
  }

  #origin(kind: string, by: string, atMs: number) {
    const { id, history } = this.#rollout;
    const verbId = `${id}-${kind}-${history.length}`;
    return { id: verbId, rolloutId: id, at: this.#dateOf(atMs), by, reason: null };
  }

  /** Of the others none will poll for something new. */
  #asks(host: number): boolean {
    const standing = this.#hosts.standingOf(host);
    return standing === 'idle' || standing === 'updated';
  }

  #decide(host: number, atMs: number): Decision {
    const { variant, arch, version } = this.#rollout.release;
    const self = { ...this.#hosts.describe(host, version), variant, arch };
    return decide(self, { rollouts: [this.#rollout], rules: NO_RULES }, this.#dateOf(atMs));
  }

  #sampleUntil(endMs: number): void {
    const { sampleMs } = this.#options;
    for (let atMs = this.#samples.length * sampleMs; atMs < endMs; atMs += sampleMs) {
      const { offered, updated, failed, overdue } = this.#counters;
      const tide = letThroughAt(this.#rollout, this.#dateOf(atMs));
      const { state } = this.#rollout;
      this.#samples.push({ atMs, tide, state, offered, updated, failed, overdue });
    }
  }

  #dateOf(atMs: number): Date {
    return new Date(this.#beginMs + atMs);
  }
}
