import type { Logger } from 'pino';
import { newRolloutId } from '../adapters/repository/rollouts.ts';
import type { State } from '../adapters/state/state.ts';
import { changeOf, recordOfVerb } from '../core/audit-record.ts';
import type { Judgement } from '../core/judge.ts';
import { applyToPlan } from '../core/plan.ts';
import type { FleetRecord, FleetVerb, Plan, PlanVerb } from '../core/plan.ts';
import type { Counters, Rollout } from '../core/rollout.ts';
import { formatVerb, parseVerb } from '../core/verb-json.ts';
import { RolloutError } from '../core/verb.ts';
import type { Verb } from '../core/verb.ts';
import { readPolicy } from '../core/wave-file.ts';
import type { Fleet } from './fleet.ts';
import { Mutex } from './mutex.ts';
import { ownVerb } from './own-verb.ts';
import { conflict, refuseOther, repeated } from './verb-order.ts';
import type { FleetOrder, Order } from './verb-order.ts';
import type { RepositoryLink } from './repository-link.ts';

export type VerbIntakeOptions = {
  readonly state: Pick<State, 'findVerb' | 'enqueueVerb'>;
  readonly fleet: Fleet;
  readonly link: Pick<RepositoryLink, 'findRelease' | 'follow' | 'requireClock'>;
  readonly now: () => Date;
  readonly log: Logger;
  /** Takes over what other servers accepted. */
  readonly learnPending: () => Promise<unknown>;
  /** Called when there is something to commit. */
  readonly onAccepted: () => void;
};

/** Takes operators' verbs one at a time, so that each is judged by the effect of all before it. */
export class VerbIntake {
  readonly #options: VerbIntakeOptions;
  readonly #mutex = new Mutex();

  constructor(options: VerbIntakeOptions) {
    this.#options = options;
  }

  /**
   * The rollout with the verb in force: legal, durable, obeyed by the next poll; its commit follows. The same order
   * again does nothing more. Throws RolloutError, PublishedError, WaveError, StateError or RequestError.
   */
  accept(order: Order): Promise<Rollout> {
    return this.#mutex.run(async () => {
      await this.#options.learnPending();
      try {
        return await this.#acceptOnce(order);
      } catch (error) {
        // Another server may have committed what this one has not seen yet.
        if (!(error instanceof RolloutError) || !(await this.#options.link.follow())) throw error;
        return await this.#acceptOnce(order);
      }
    });
  }

  /** The plan as the order would leave it; nothing is done. Throws as `accept` does. */
  preview(order: Order): Promise<Plan> {
    return this.#mutex.run(async () => {
      const verb = await this.#verbOf(order, this.#options.now());
      return applyToPlan(this.#options.fleet.view, verb);
    });
  }

  /**
   * What the server decides by itself, in force and durable as `accept` makes it. If the rollout moved on meanwhile,
   * nothing is done: it is judged again.
   */
  acceptOwn(rollout: Rollout, judgement: Judgement, evidence: Counters): Promise<void> {
    return this.#mutex.run(async () => {
      const { state, fleet, link } = this.#options;
      let verb = await ownVerb(rollout, { judgement, evidence }, this.#options);
      let known = await state.findVerb(verb.id);
      while (known?.status.kind === 'committed') {
        // Either this server has not seen the commit yet, or the repository was restored to a time before it.
        await link.follow();
        if (!isAsItWas(this.#find(rollout.id), rollout)) return;
        verb = { ...verb, id: `${verb.id}-again` };
        known = await state.findVerb(verb.id);
      }
      if (!isAsItWas(this.#find(rollout.id), rollout)) return;
      if (known === null) await this.#take(verb);
      // Another server on this database was faster.
      else if (known.status.kind === 'pending') fleet.accept(parseVerb(known.json));
    });
  }

  /** The record with the rules in force: as durable and as idempotent as `accept`. Throws as it does. */
  acceptFleet({ rules, requestId: id, ...origin }: FleetOrder): Promise<FleetRecord> {
    return this.#mutex.run(async () => {
      const { state, fleet, now, learnPending } = this.#options;
      await learnPending();
      const known = await state.findVerb(id);
      const verb: FleetVerb = { kind: 'apply-fleet', id, at: now(), ...origin, rules };
      if (known === null) await this.#take(verb);
      else refuseOther(verb, known);
      return fleet.view.fleet;
    });
  }

  async #acceptOnce(order: Order): Promise<Rollout> {
    const known = await this.#options.state.findVerb(order.requestId);
    const rolloutId =
      (known === null ? this.#appliedElsewhere(order) : repeated(order, known)) ??
      (await this.#acceptNew(order));
    return this.#find(rolloutId);
  }

  async #acceptNew(order: Order): Promise<string> {
    const verb = await this.#verbOf(order, this.#options.now());
    await this.#take(verb);
    return verb.rolloutId;
  }

  async #take(verb: PlanVerb): Promise<void> {
    const { state, fleet, link, log, onAccepted } = this.#options;
    const before = fleet.view;
    const after = applyToPlan(before, verb);
    if (after === before) return;
    link.requireClock();
    await state.enqueueVerb(
      { id: verb.id, json: formatVerb(verb), acceptedAt: verb.at },
      recordOfVerb(verb, {
        ...{ event: 'accepted', at: verb.at, change: changeOf(verb, before, after) },
      }),
    );
    fleet.accept(verb);
    const concerned = verb.kind === 'apply-fleet' ? {} : { rolloutId: verb.rolloutId };
    log.info(
      { verbId: verb.id, verb: verb.kind, ...concerned, reason: verb.reason },
      'verb accepted',
    );
    onAccepted();
  }

  async #verbOf(order: Order, at: Date): Promise<Verb> {
    const { link } = this.#options;
    const origin = { id: order.requestId, at, by: order.by, reason: order.reason };
    if (order.kind === 'start') {
      const startAt = order.startAt ?? at;
      return {
        ...origin,
        kind: 'start',
        rolloutId: newRolloutId(),
        policy: readPolicy(order.policy, startAt),
        release: await link.findRelease(order),
        startAt,
        seeds: order.seeds,
      };
    }
    const { kind, rolloutId } = order;
    if (kind !== 'roll-back') return { ...origin, kind, rolloutId };
    const { release } = this.#find(rolloutId);
    const to = await link.findRelease({ ...release, version: order.to });
    return { ...origin, kind, rolloutId, to, policy: readPolicy(order.policy, at) };
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
