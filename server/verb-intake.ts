import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { newRolloutId } from '../adapters/repository/rollouts.ts';
import type { State, StoredVerb } from '../adapters/state/state.ts';
import { reasonOf } from '../core/judge.ts';
import type { Judgement } from '../core/judge.ts';
import type { Counters, Rollout } from '../core/rollout.ts';
import { recordOfVerb, rolloutChange } from '../core/audit-record.ts';
import type { Platform } from '../core/tuf/names.ts';
import { formatVerb, parseVerb } from '../core/verb-json.ts';
import { applyVerb, RolloutError } from '../core/verb.ts';
import type { SimpleVerb, Verb } from '../core/verb.ts';
import { EVERYONE_AT_ONCE } from '../core/wave.ts';
import { readPolicy } from '../core/wave-file.ts';
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
  | { readonly kind: SimpleVerb; readonly rolloutId: string }
  | {
      readonly kind: 'roll-back';
      readonly rolloutId: string;
      readonly to: string;
      /** As of a start; the clock of the way back begins now. */
      readonly policy: string | null;
    }
);

/** Whom the history names for what no person did. */
const SERVER = 'server';

export type VerbIntakeOptions = {
  readonly state: Pick<State, 'findVerb' | 'enqueueVerb'>;
  readonly fleet: Fleet;
  readonly link: Pick<RepositoryLink, 'findRelease' | 'follow'>;
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

  /**
   * What the server decides by itself, in force and durable as `accept` makes it. If the rollout moved on meanwhile,
   * nothing is done: it is judged again.
   */
  acceptOwn(rollout: Rollout, judgement: Judgement, evidence: Counters): Promise<void> {
    return this.#mutex.run(async () => {
      const verb = await this.#ownVerb(rollout, judgement, evidence);
      if (this.#find(rollout.id) !== rollout) return;
      const known = await this.#options.state.findVerb(verb.id);
      if (known === null) await this.#take(verb);
      // Another server on this database was faster.
      else if (known.status.kind === 'pending') this.#options.fleet.accept(parseVerb(known.json));
    });
  }

  async #ownVerb(rollout: Rollout, judgement: Judgement, evidence: Counters): Promise<Verb> {
    const { link, now } = this.#options;
    const { id: rolloutId, release, history } = rollout;
    const { kind } = judgement;
    const origin = {
      // Whoever judges the same rollout makes the same verb.
      id: `${rolloutId}-${kind}-${history.length}`,
      ...{ at: now(), by: SERVER, rolloutId, reason: reasonOf(rollout, judgement, evidence) },
    };
    switch (kind) {
      case 'halt':
        return { ...origin, kind, evidence };
      case 'pass-gate':
        return { ...origin, kind, opening: judgement.opening, evidence };
      case 'roll-back': {
        const to = await link.findRelease({ ...release, version: judgement.to });
        return { ...origin, kind, to, policy: EVERYONE_AT_ONCE };
      }
    }
  }

  async #acceptOnce(order: Order): Promise<Rollout> {
    const known = await this.#options.state.findVerb(order.requestId);
    const rolloutId =
      (known === null ? this.#appliedElsewhere(order) : repeated(order, known)) ??
      (await this.#acceptNew(order));
    return this.#find(rolloutId);
  }

  async #acceptNew(order: Order): Promise<string> {
    return this.#take(await this.#verbOf(order, this.#options.now()));
  }

  async #take(verb: Verb): Promise<string> {
    const { state, fleet, log, onAccepted } = this.#options;
    const before = fleet.view.rollouts;
    const change = rolloutChange(verb, before, applyVerb(before, verb));
    await state.enqueueVerb(
      { id: verb.id, json: formatVerb(verb), acceptedAt: verb.at },
      recordOfVerb(verb, { event: 'accepted', at: verb.at, change }),
    );
    fleet.accept(verb);
    log.info(
      { verbId: verb.id, verb: verb.kind, rolloutId: verb.rolloutId, reason: verb.reason },
      'verb accepted',
    );
    onAccepted();
    return verb.rolloutId;
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

/** The rollout that the same order concerned before. Throws if it was another order, or came to nothing. */
function repeated(order: Order, { json, status }: StoredVerb): string {
  const verb = parseVerb(json);
  if (!isSameOrder(order, verb)) throw conflict(order);
  if (status.kind === 'rejected') {
    throw new RequestError(
      'request/rejected',
      `request ${order.requestId} was rejected: ${status.message}`,
    );
  }
  return verb.rolloutId;
}

function isSameOrder(order: Order, verb: Verb): boolean {
  if (order.reason !== verb.reason) return false;
  if (order.kind === 'start') return verb.kind === 'start' && isSameStart(order, verb);
  if (order.rolloutId !== verb.rolloutId) return false;
  if (order.kind === 'roll-back') {
    return (
      verb.kind === 'roll-back' &&
      order.to === verb.to.version &&
      isDeepStrictEqual(readPolicy(order.policy, verb.at), verb.policy)
    );
  }
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
    isDeepStrictEqual(readPolicy(order.policy, startAt), policy)
  );
}

function conflict({ requestId }: Order): RequestError {
  return new RequestError(
    'request/conflict',
    `request id ${requestId} was used for another request before`,
    { hints: ['use a new request id for a new request'] },
  );
}
