import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { newRolloutId } from '../adapters/repository/rollouts.ts';
import type { State, StoredVerb } from '../adapters/state/state.ts';
import type { ChangeKind } from '../core/operator-api.ts';
import type { FleetRules } from '../core/fleet/rules.ts';
import { rulesToJson } from '../core/fleet/write-rules.ts';
import { applyToPlan } from '../core/plan.ts';
import type { FleetRecord, FleetVerb, PlanVerb } from '../core/plan.ts';
import type { Rollout } from '../core/rollout.ts';
import type { Platform } from '../core/tuf/names.ts';
import { formatVerb, parseVerb } from '../core/verb-json.ts';
import { RolloutError } from '../core/verb.ts';
import type { Verb } from '../core/verb.ts';
import { EVERYONE_AT_ONCE } from '../core/wave.ts';
import type { Policy } from '../core/wave.ts';
import { parseWavePolicy, resolvePolicy } from '../core/wave-file.ts';
import { RequestError } from './errors.ts';
import type { Fleet } from './fleet.ts';
import { Mutex } from './mutex.ts';
import type { RepositoryLink } from './repository-link.ts';

type StartOrder = Platform & {
  readonly kind: 'start';
  readonly version: string;
  /** The text of a wave policy file; null is everyone at once. */
  readonly policy: string | null;
  /** Null is now. */
  readonly startAt: Date | null;
  readonly seeds: 'stable' | 'shuffled';
};

/** What an operator asks for; `requestId` becomes the id of the verb. */
export type Order = {
  readonly requestId: string;
  readonly by: string;
  readonly reason: string | null;
} & (
  | StartOrder
  | { readonly kind: ChangeKind; readonly rolloutId: string }
  | { readonly kind: 'roll-back'; readonly rolloutId: string; readonly to: string }
);

/** The rules that the fleet shall have from now on. */
export type FleetOrder = {
  readonly requestId: string;
  readonly by: string;
  readonly reason: string | null;
  readonly rules: FleetRules;
};

export type VerbIntakeOptions = {
  readonly state: Pick<State, 'findVerb' | 'enqueueVerb'>;
  readonly fleet: Fleet;
  readonly link: Pick<RepositoryLink, 'findRelease'>;
  readonly now: () => Date;
  readonly log: Logger;
  /** Tells the outbox that there is something to commit. */
  readonly wakeOutbox: () => void;
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
      const known = await this.#options.state.findVerb(order.requestId);
      const rolloutId =
        (known === null ? this.#appliedElsewhere(order) : repeated(order, known)) ??
        (await this.#acceptNew(order));
      return this.#find(rolloutId);
    });
  }

  /** The record with the rules in force: as durable and as idempotent as `accept`. Throws as it does. */
  acceptFleet({ rules, requestId: id, ...origin }: FleetOrder): Promise<FleetRecord> {
    return this.#mutex.run(async () => {
      const { state, fleet, now } = this.#options;
      const known = await state.findVerb(id);
      const verb: FleetVerb = { kind: 'apply-fleet', id, at: now(), ...origin, rules };
      if (known === null) await this.#take(verb);
      else refuseOther(verb, known);
      return fleet.view.fleet;
    });
  }

  async #acceptNew(order: Order): Promise<string> {
    const verb = await this.#verbOf(order, this.#options.now());
    await this.#take(verb);
    return verb.rolloutId;
  }

  async #take(verb: PlanVerb): Promise<void> {
    const { state, fleet, log, wakeOutbox } = this.#options;
    if (applyToPlan(fleet.view, verb) === fleet.view) return;
    await state.enqueueVerb({ id: verb.id, json: formatVerb(verb), acceptedAt: verb.at });
    fleet.accept(verb);
    const concerned = verb.kind === 'apply-fleet' ? {} : { rolloutId: verb.rolloutId };
    log.info(
      { verbId: verb.id, verb: verb.kind, ...concerned, reason: verb.reason },
      'verb accepted',
    );
    wakeOutbox();
  }

  async #verbOf(order: Order, at: Date): Promise<Verb> {
    const { link } = this.#options;
    const origin = { id: order.requestId, at, by: order.by, reason: order.reason };
    switch (order.kind) {
      case 'start': {
        const startAt = order.startAt ?? at;
        return {
          ...origin,
          kind: 'start',
          rolloutId: newRolloutId(),
          policy: policyOf(order, startAt),
          release: await link.findRelease(order),
          startAt,
          seeds: order.seeds,
        };
      }
      case 'roll-back': {
        const { release } = this.#find(order.rolloutId);
        const to = await link.findRelease({ ...release, version: order.to });
        return { ...origin, kind: 'roll-back', rolloutId: order.rolloutId, to };
      }
      case 'pause':
      case 'resume':
      case 'advance':
      case 'withdraw':
        return { ...origin, kind: order.kind, rolloutId: order.rolloutId };
    }
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

/** The rollout that the same order concerned before. Throws if it was another order, or came to nothing. */
function repeated(order: Order, { json, status }: StoredVerb): string {
  const verb = parseVerb(json);
  if (verb.kind === 'apply-fleet' || !isSameOrder(order, verb)) throw conflict(order);
  refuseRejected(order, status);
  return verb.rolloutId;
}

function refuseRejected({ requestId }: Pick<Order, 'requestId'>, status: StoredVerb['status']) {
  if (status.kind !== 'rejected') return;
  throw new RequestError(
    'request/rejected',
    `request ${requestId} was rejected: ${status.message}`,
  );
}

function refuseOther(verb: FleetVerb, { json, status }: StoredVerb): void {
  const known = parseVerb(json);
  const isSame =
    known.kind === 'apply-fleet' &&
    known.reason === verb.reason &&
    isDeepStrictEqual(rulesToJson(known.rules), rulesToJson(verb.rules));
  if (!isSame) throw conflict({ requestId: verb.id });
  refuseRejected({ requestId: verb.id }, status);
}

function isSameOrder(order: Order, verb: Verb): boolean {
  if (order.reason !== verb.reason) return false;
  if (order.kind === 'start') return verb.kind === 'start' && isSameStart(order, verb);
  if (order.rolloutId !== verb.rolloutId) return false;
  if (order.kind === 'roll-back') return verb.kind === 'roll-back' && order.to === verb.to.version;
  return order.kind === verb.kind;
}

function isSameStart(order: StartOrder, verb: Verb & { readonly kind: 'start' }): boolean {
  const { release, startAt, seeds, policy, at } = verb;
  return (
    order.variant === release.variant &&
    order.arch === release.arch &&
    order.version === release.version &&
    order.seeds === seeds &&
    (order.startAt ?? at).getTime() === startAt.getTime() &&
    isDeepStrictEqual(policyOf(order, startAt), policy)
  );
}

function policyOf({ policy }: StartOrder, startAt: Date): Policy {
  return policy === null ? EVERYONE_AT_ONCE : resolvePolicy(parseWavePolicy(policy), startAt);
}

function conflict({ requestId }: Pick<Order, 'requestId'>): RequestError {
  return new RequestError(
    'request/conflict',
    `request id ${requestId} was used for another request before`,
    { hints: ['use a new request id for a new request'] },
  );
}
