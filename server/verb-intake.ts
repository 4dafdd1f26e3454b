import type { Logger } from 'pino';
import { newRolloutId } from '../adapters/repository/rollouts.ts';
import type { State } from '../adapters/state/state.ts';
import { changeOf, recordOfVerb } from '../core/audit-record.ts';
import type { Judgement } from '../core/judge.ts';
import { applyToPlan } from '../core/plan.ts';
import type { FleetRecord, FleetVerb, Plan, PlanVerb } from '../core/plan.ts';
import type { Counters, ReleaseRef, Rollout } from '../core/rollout.ts';
import type { Platform } from '../core/tuf/names.ts';
import { RolloutError } from '../core/verb.ts';
import type { Verb } from '../core/verb.ts';
import { readPolicy } from '../core/wave-file.ts';
import type { Fleet } from './fleet.ts';
import type { Outbox } from './outbox.ts';
import { ownVerb } from './own-verb.ts';
import { conflict, refuseOther, repeated } from './verb-order.ts';
import type { FleetOrder, Order } from './verb-order.ts';
import type { RepositoryLink } from './repository-link.ts';

export type VerbIntakeOptions = {
  readonly state: Pick<State, 'findVerb'>;
  readonly outbox: Pick<Outbox, 'exclusively' | 'enqueue'>;
  readonly fleet: Fleet;
  readonly link: Pick<RepositoryLink, 'findRelease' | 'follow' | 'requireClock'>;
  readonly now: () => Date;
  readonly log: Logger;
  /** Called when there is something to commit. */
  readonly onAccepted: () => void;
};

/** The release that a verb must name, which is still to be read. */
class Wanted {
  readonly release: Platform & { readonly version: string };

  constructor(release: Wanted['release']) {
    this.release = release;
  }
}

/**
 * Takes operators' verbs one at a time, so that each is judged by the effect of all before it. What has to be read from the
 * repository is read before or after its turn: nobody's pause waits for a store that does not answer.
 */
export class VerbIntake {
  readonly #options: VerbIntakeOptions;

  constructor(options: VerbIntakeOptions) {
    this.#options = options;
  }

  /**
   * The rollout with the verb in force: legal, durable, obeyed by the next poll; its commit follows. The same order
   * again does nothing more. Throws RolloutError, PublishedError, WaveError, StateError or RequestError.
   */
  async accept(order: Order): Promise<Rollout> {
    const { outbox, link } = this.#options;
    const accept = () =>
      this.#withRelease((release) => outbox.exclusively(() => this.#acceptOnce(order, release)));
    try {
      return await accept();
    } catch (error) {
      // Another server may have committed what this one has not seen yet.
      if (!(error instanceof RolloutError) || !(await link.follow())) throw error;
      return await accept();
    }
  }

  /** The plan as the order would leave it; nothing is done. Throws as `accept` does. */
  preview(order: Order): Promise<Plan> {
    return this.#withRelease(async (release) => {
      const { fleet, now } = this.#options;
      const verb = this.#verbOf(order, release, now());
      return verb instanceof Wanted ? verb : applyToPlan(fleet.view, verb);
    });
  }

  /**
   * What the server decides by itself, in force and durable as `accept` makes it. If the rollout moved on meanwhile,
   * nothing is done: it is judged again.
   */
  async acceptOwn(rollout: Rollout, judgement: Judgement, evidence: Counters): Promise<void> {
    const { outbox, link } = this.#options;
    const verb = await ownVerb(rollout, { judgement, evidence }, this.#options);
    const take = (id: string) => outbox.exclusively(() => this.#takeOwn({ ...verb, id }, rollout));
    for (let id = verb.id; !(await take(id)); id = `${id}-again`) await link.follow();
  }

  /** The record with the rules in force: as durable and as idempotent as `accept`. Throws as it does. */
  acceptFleet({ rules, requestId: id, ...origin }: FleetOrder): Promise<FleetRecord> {
    const { state, outbox, fleet, now } = this.#options;
    return outbox.exclusively(async () => {
      const known = await state.findVerb(id);
      const verb: FleetVerb = { kind: 'apply-fleet', id, at: now(), ...origin, rules };
      if (known === null) await this.#take(verb);
      else refuseOther(verb, known);
      return fleet.view.fleet;
    });
  }

  /** Does the work without a release, and again with the one that it wants. */
  async #withRelease<T>(work: (release: ReleaseRef | null) => Promise<T | Wanted>): Promise<T> {
    for (let release: ReleaseRef | null = null; ;) {
      const result = await work(release);
      if (!(result instanceof Wanted)) return result;
      release = await this.#options.link.findRelease(result.release);
    }
  }

  async #acceptOnce(order: Order, release: ReleaseRef | null): Promise<Rollout | Wanted> {
    const { state, now } = this.#options;
    const known = await state.findVerb(order.requestId);
    const before = known === null ? this.#appliedElsewhere(order) : repeated(order, known);
    if (before !== null) return this.#find(before);
    const verb = this.#verbOf(order, release, now());
    if (verb instanceof Wanted) return verb;
    await this.#take(verb);
    return this.#find(verb.rolloutId);
  }

  /** False if the verb is committed although this server sees nothing of it. */
  async #takeOwn(verb: Verb, rollout: Rollout): Promise<boolean> {
    if (!isAsItWas(this.#find(rollout.id), rollout)) return true;
    const known = await this.#options.state.findVerb(verb.id);
    // The repository was restored to a time before it, or somebody else committed since.
    if (known?.status.kind === 'committed') return false;
    if (known === null) await this.#take(verb);
    return true;
  }

  async #take(verb: PlanVerb): Promise<void> {
    const { outbox, fleet, link, log, onAccepted } = this.#options;
    const before = fleet.view;
    const after = applyToPlan(before, verb);
    if (after === before) return;
    link.requireClock();
    const change = changeOf(verb, before, after);
    await outbox.enqueue(verb, recordOfVerb(verb, { event: 'accepted', at: verb.at, change }));
    const concerned = verb.kind === 'apply-fleet' ? {} : { rolloutId: verb.rolloutId };
    log.info(
      { verbId: verb.id, verb: verb.kind, ...concerned, reason: verb.reason },
      'verb accepted',
    );
    onAccepted();
  }

  #verbOf(order: Order, release: ReleaseRef | null, at: Date): Verb | Wanted {
    const origin = { id: order.requestId, at, by: order.by, reason: order.reason };
    if (order.kind === 'start') {
      if (release === null) return new Wanted(order);
      const startAt = order.startAt ?? at;
      const policy = readPolicy(order.policy, startAt);
      const rolloutId = newRolloutId();
      return { ...origin, kind: 'start', rolloutId, policy, release, startAt, seeds: order.seeds };
    }
    const { kind, rolloutId } = order;
    if (kind !== 'roll-back') return { ...origin, kind, rolloutId };
    const { variant, arch } = this.#find(rolloutId).release;
    if (release === null) return new Wanted({ variant, arch, version: order.to });
    return { ...origin, kind, rolloutId, to: release, policy: readPolicy(order.policy, at) };
  }

  /** A verb of this id may be in the manifest although this database never saw it; null if it is not. */
  #appliedElsewhere(order: Order): string | null {
    const rollout = this.#options.fleet.view.rollouts.find(({ history }) =>
      history.some(({ id }) => id === order.requestId),
    );
    if (rollout === undefined) return null;
    const change = rollout.history.find(({ id }) => id === order.requestId);
    const isSame =
      change?.verb === order.kind && (order.kind === 'start' || order.rolloutId === rollout.id);
    if (!isSame) throw conflict(order);
    return rollout.id;
  }

  #find(rolloutId: string): Rollout {
    const rollout = this.#options.fleet.view.rollouts.find(({ id }) => id === rolloutId);
    if (rollout === undefined) {
      throw new RolloutError('rollout/not-there', `no rollout has the id ${rolloutId}`);
    }
    return rollout;
  }
}

/** Whether no verb was given to the rollout since, whatever was given to others. */
function isAsItWas(now: Rollout, before: Rollout): boolean {
  const last = ({ history }: Rollout) => history.at(-1)?.id;
  return now.history.length === before.history.length && last(now) === last(before);
}
