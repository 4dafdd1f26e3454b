import { documentOf, EVERYONE, HOUR_MS, rankOf, stepsOf } from './policy.ts';
import type { PolicySpec, Share, WaveStep } from './policy.ts';
import { Standings } from './standings.ts';

type State = 'running' | 'paused' | 'halted' | 'withdrawn' | 'superseded' | 'rolled-back';

export type Judgement = 'halt' | 'roll-back' | 'pass-gate';

type Events = { readonly successes: number; readonly failures: number };
/** `known` are all hosts that were let through and did not go back. */
type Counts = Events & { readonly updated: number; readonly known: number };

export type PersonVerb =
  'pause' | 'resume' | 'advance' | 'approve' | 'retry' | 'withdraw' | 'supersede';

/**
 * A rollout as docs/rollouts.md describes it: a clock that is pushed on by hand while it moves, and stops at closed gates.
 * It shares no code with what it judges.
 */
export class RolloutModel {
  readonly id: string;
  readonly version: string;
  state: State = 'running';
  /** The release that hosts are sent back to. */
  back: string | null = null;
  attempt = 1;
  lastVerb = 'start';
  /** Ids of the verbs that made it what it is; null for those that the server gave itself. */
  readonly verbs: (string | null)[];
  readonly standings = new Standings();
  #policy: PolicySpec;
  #steps: readonly WaveStep[];
  #clockMs: number;
  #sinceResumeMs = Number.POSITIVE_INFINITY;
  #approved = 0;
  #passed = 0;
  #atHalt: Events = { successes: 0, failures: 0 };
  #forgiven: Events = { successes: 0, failures: 0 };

  constructor(start: {
    readonly id: string;
    readonly version: string;
    readonly policy: PolicySpec;
    readonly inHours: number;
    readonly verbId: string;
  }) {
    this.id = start.id;
    this.version = start.version;
    this.#policy = start.policy;
    this.#steps = stepsOf(start.policy);
    this.#clockMs = -start.inHours * HOUR_MS;
    this.verbs = [start.verbId];
  }

  get policy(): PolicySpec {
    return this.#policy;
  }

  get isMoving(): boolean {
    return this.state === 'running' || this.state === 'rolled-back';
  }

  /** Nobody is given the release any more. */
  get isOver(): boolean {
    return this.state === 'withdrawn' || this.state === 'superseded' || this.back !== null;
  }

  /** Time passes. */
  pass(ms: number): void {
    this.#sinceResumeMs += ms;
    if (!this.isMoving) return;
    const gate = this.closedGate();
    const limitMs = gate === null ? Number.POSITIVE_INFINITY : gate.opensAtMs;
    this.#clockMs = Math.max(this.#clockMs, Math.min(limitMs, this.#clockMs + ms));
  }

  /** The next wave that may not open. */
  closedGate(): WaveStep | null {
    const isClosed = ({ index, approval, success }: WaveStep) =>
      (approval && index >= this.#approved) || (success !== null && index >= this.#passed);
    return this.#steps.find(isClosed) ?? null;
  }

  /** The closed gate that the clock stands at. */
  gate(): WaveStep | null {
    const gate = this.closedGate();
    return gate !== null && this.#clockMs >= gate.opensAtMs ? gate : null;
  }

  /** How many seeds are let through, for hosts that follow this far behind. */
  tide(delayMs = 0): number {
    const clockMs = this.#clockMs - delayMs;
    const gate = this.closedGate();
    if (gate !== null && clockMs >= gate.opensAtMs) return gate.before;
    const step = this.#steps.findLast(({ opensAtMs }) => opensAtMs <= clockMs);
    if (step === undefined) return 0;
    const { opensAtMs, fullAtMs, before, after } = step;
    if (clockMs >= fullAtMs) return after;
    return before + Math.floor(((clockMs - opensAtMs) * (after - before)) / (fullAtMs - opensAtMs));
  }

  /** Whether the first wave has opened, for hosts that go first. */
  hasOpened(): boolean {
    const [first] = this.#steps;
    return (
      first !== undefined && this.closedGate()?.index !== 0 && this.#clockMs >= first.opensAtMs
    );
  }

  /** What the operators' view shows as the tide. */
  shownTide(): number {
    return this.isOver && this.back === null ? 0 : this.tide();
  }

  /** Whether a person may do this now; `isCovered` says whether a newer rollout covers as much. */
  allows(kind: PersonVerb, isCovered: boolean): boolean {
    const isForward = !this.isOver;
    const isStepping = isForward || this.back !== null;
    switch (kind) {
      case 'pause':
        return this.isMoving;
      case 'resume':
        return this.state === 'paused' || this.state === 'halted';
      case 'advance':
        return isStepping && (this.gate() !== null || this.#nextStop() !== null);
      case 'approve':
        return isStepping && this.#nextApproval() !== null;
      case 'retry':
        return isForward && this.attempt < 5;
      case 'withdraw':
        return isForward;
      case 'supersede':
        return isForward && isCovered;
    }
  }

  allowsWayBack(to: string, policy: PolicySpec): boolean {
    const isSame = this.back === to && JSON.stringify(this.#policy) === JSON.stringify(policy);
    const isJudged = policy.halt !== null || policy.waves.some(({ success }) => success !== null);
    return documentOf(this.version).rollbackTo.includes(to) && !isJudged && !isSame;
  }

  do(kind: PersonVerb, verbId: string): void {
    switch (kind) {
      case 'pause':
        this.state = 'paused';
        break;
      case 'resume':
        if (this.state === 'halted') this.#forgiven = this.#atHalt;
        this.state = this.back === null ? 'running' : 'rolled-back';
        this.#sinceResumeMs = 0;
        break;
      case 'advance':
        this.#advance();
        break;
      case 'approve':
        this.#approved = (this.#nextApproval()?.index ?? 0) + 1;
        break;
      case 'retry':
        this.attempt += 1;
        break;
      case 'withdraw':
        this.state = 'withdrawn';
        break;
      case 'supersede':
        this.state = 'superseded';
        break;
    }
    this.#did(kind, verbId);
  }

  sendBack(to: string, policy: PolicySpec, verbId: string | null): void {
    this.state = 'rolled-back';
    this.back = to;
    this.#policy = policy;
    this.#steps = stepsOf(policy);
    this.#clockMs = 0;
    this.#approved = 0;
    this.#passed = 0;
    this.#did('roll-back', verbId);
  }

  /** What the server has to do by the outcomes of its hosts; null if nothing. */
  due(counts: Counts = this.#counts()): Judgement | null {
    const { halt } = this.#policy;
    if (this.back !== null) return null;
    if (this.state === 'halted')
      return this.lastVerb === 'halt' && halt?.backTo ? 'roll-back' : null;
    if (this.state !== 'running') return null;
    const { successes, failures } = counts;
    const failed = failures - this.#forgiven.failures;
    if (halt !== null && reaches(failed, failed + successes - this.#forgiven.successes, halt)) {
      return 'halt';
    }
    const gate = this.gate();
    if (gate === null || gate.success === null || gate.index < this.#passed) return null;
    return reaches(counts.updated, counts.known, gate.success) ? 'pass-gate' : null;
  }

  #counts(): Counts {
    const { events } = this.standings;
    return { ...events, updated: this.standings.count('updated'), known: this.standings.known() };
  }

  /** The server looks for hosts that are silent for too long: while it stands still nobody is, and resumed, all have their time again. */
  findOverdue(nowMs: number): void {
    const { outcomeWithinHours } = this.#policy;
    if (this.state !== 'running' || outcomeWithinHours === null) return;
    const withinMs = outcomeWithinHours * HOUR_MS;
    if (this.#sinceResumeMs > withinMs) this.standings.overdue(nowMs - withinMs);
  }

  /** The server did it, by these events. */
  judged(kind: Judgement, events: Events = this.standings.events): void {
    if (kind === 'roll-back') {
      this.sendBack(this.#policy.halt?.backTo ?? '', EVERYONE, null);
      return;
    }
    if (kind === 'halt') {
      this.state = 'halted';
      this.#atHalt = { ...events };
    } else this.#passed = (this.gate()?.index ?? 0) + 1;
    this.#did(kind, null);
  }

  #did(kind: string, verbId: string | null): void {
    this.lastVerb = kind;
    this.verbs.push(verbId);
  }

  #advance(): void {
    const gate = this.gate();
    if (gate === null) {
      this.#clockMs = this.#nextStop() ?? this.#clockMs;
      return;
    }
    this.#approved = Math.max(this.#approved, gate.index + 1);
    this.#passed = Math.max(this.#passed, gate.index + 1);
  }

  /** The next opening on the clock, or the end of the last ramp. */
  #nextStop(): number | null {
    const stops = [...this.#steps.map(({ opensAtMs }) => opensAtMs), this.#steps.at(-1)?.fullAtMs];
    return stops.find((atMs) => atMs !== undefined && atMs > this.#clockMs) ?? null;
  }

  #nextApproval(): WaveStep | null {
    return this.#steps.find(({ approval, index }) => approval && index >= this.#approved) ?? null;
  }
}

export function reaches(part: number, whole: number, { percentage, minimum }: Share): boolean {
  return whole >= minimum && part * 100 >= percentage * whole;
}

/** Whether every host that the older rollout lets through gets the newer one, by the tide that these hosts see. */
export function covers(
  newer: RolloutModel,
  older: RolloutModel,
  tideOf: (rollout: RolloutModel) => number,
): boolean {
  const [from, olderFrom] = [newer, older].map(({ version }) => documentOf(version).minimumFrom);
  const isReachable =
    from === null || from === undefined || (olderFrom && rankOf(from) <= rankOf(olderFrom));
  return (
    newer.state === 'running' &&
    rankOf(newer.version) > rankOf(older.version) &&
    Boolean(isReachable) &&
    tideOf(newer) >= tideOf(older)
  );
}
