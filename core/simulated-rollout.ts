import { judge, reasonOf } from './judge.ts';
import type { Counters, ReleaseRef, Rollout } from './rollout.ts';
import { closedGate, gateAt, instantOf, lacksApproval } from './tide.ts';
import { applyVerb } from './verb.ts';
import type { Verb } from './verb.ts';
import { EVERYONE_AT_ONCE } from './wave.ts';

/** The rollout of a simulation: the server's own verbs and a person's approvals, as they are applied to real ones. */
export class SimulatedRollout {
  readonly #wayBack: ReleaseRef | null;
  #rollout: Rollout;

  constructor(rollout: Rollout, wayBack: ReleaseRef | null) {
    this.#rollout = rollout;
    this.#wayBack = wayBack;
  }

  get current(): Rollout {
    return this.#rollout;
  }

  /** The closed gate that the clock runs towards, or stands at; null if there is none, or if the clock does not run. */
  gateAhead() {
    const gate = closedGate(this.#rollout);
    const { clockMs, runningSince } = this.#rollout;
    if (gate === null || runningSince === null) return null;
    return {
      index: gate.index,
      reachedAt: instantOf({ clockMs, runningSince }, gate.atMs),
      lacksApproval: lacksApproval(this.#rollout, gate),
    };
  }

  /** A person approves if the rollout waits for that at this opening. Returns whether anything changed. */
  approve(opening: number, now: Date): boolean {
    const gate = gateAt(this.#rollout, now);
    if (gate?.index !== opening || !lacksApproval(this.#rollout, gate)) return false;
    this.#apply({ kind: 'approve', ...this.#origin('approve', 'operator', now) });
    return true;
  }

  /** The server does all that was counted asks for. Returns whether anything changed. */
  judge(evidence: Counters, now: Date): boolean {
    let isChanged = false;
    for (;;) {
      const verb = this.#verdict(evidence, now);
      if (verb === null) return isChanged;
      this.#apply(verb);
      isChanged = true;
    }
  }

  #verdict(evidence: Counters, now: Date): Verb | null {
    const judgement = judge(this.#rollout, evidence, now);
    if (judgement === null) return null;
    const reason = reasonOf(this.#rollout, judgement, evidence);
    const origin = { ...this.#origin(judgement.kind, 'server', now), reason };
    switch (judgement.kind) {
      case 'halt':
        return { ...origin, kind: 'halt', evidence };
      case 'pass-gate':
        return { ...origin, kind: 'pass-gate', opening: judgement.opening, evidence };
      case 'roll-back': {
        const to = this.#wayBack;
        return to === null ? null : { ...origin, kind: 'roll-back', to, policy: EVERYONE_AT_ONCE };
      }
    }
  }

  #apply(verb: Verb): void {
    const [after] = applyVerb([this.#rollout], verb);
    if (after !== undefined) this.#rollout = after;
  }

  #origin(kind: string, by: string, at: Date) {
    const { id, history } = this.#rollout;
    return { id: `${id}-${kind}-${history.length}`, rolloutId: id, at, by, reason: null };
  }
}
