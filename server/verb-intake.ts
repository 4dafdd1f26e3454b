import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { newRolloutId } from '../adapters/repository/rollouts.ts';
import type { State, StoredVerb } from '../adapters/state/state.ts';
import type { ChangeKind } from '../core/operator-api.ts';
import type { Rollout } from '../core/rollout.ts';
import type { Platform } from '../core/tuf/names.ts';
import { formatVerb, parseVerb } from '../core/verb-json.ts';
import { applyVerb, RolloutError } from '../core/verb.ts';
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

  async #acceptOnce(order: Order): Promise<Rollout> {
    const known = await this.#options.state.findVerb(order.requestId);
    const rolloutId =
      (known === null ? this.#appliedElsewhere(order) : repeated(order, known)) ??
      (await this.#acceptNew(order));
    return this.#find(rolloutId);
  }

  async #acceptNew(order: Order): Promise<string> {
    const { state, fleet, now, log, onAccepted } = this.#options;
    const verb = await this.#verbOf(order, now());
    applyVerb(fleet.view.rollouts, verb);
    await state.enqueueVerb({ id: verb.id, json: formatVerb(verb), acceptedAt: verb.at });
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

function conflict({ requestId }: Order): RequestError {
  return new RequestError(
    'request/conflict',
    `request id ${requestId} was used for another request before`,
    { hints: ['use a new request id for a new request'] },
  );
}
