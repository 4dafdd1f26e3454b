import { isDeepStrictEqual } from 'node:util';
import type { RepositoryState } from '../adapters/repository/repository.ts';
import type { ManifestContent } from '../adapters/repository/rollouts.ts';
import type { VerbStatus } from '../adapters/state/state.ts';
import { currentNewestFirst } from '../core/decide.ts';
import type { Judgement } from '../core/decide.ts';
import type { LeaseCount } from '../core/fleet/limit.ts';
import { applyToPlan, countDecided } from '../core/plan.ts';
import type { Plan, PlanVerb } from '../core/plan.ts';
import type { Rollout } from '../core/rollout.ts';
import { platformOfRole } from '../core/tuf/names.ts';
import type { Platform } from '../core/tuf/names.ts';
import { RolloutError } from '../core/verb.ts';

/** The content of the signed manifest, and the state of the repository that it belongs to. */
export type Published = ManifestContent & { readonly state: RepositoryState };

/** A verb that is durable, and what is known to have become of it. */
export type AcceptedVerb = {
  /** Its place in the order of acceptance. */
  readonly sequence: number;
  readonly verb: PlanVerb;
  readonly status: VerbStatus['kind'];
};

/**
 * All that polls are answered from: never changed, only replaced as a whole. Its plan is the one in force: that of the
 * manifest with the accepted verbs applied on top.
 */
export type FleetView = Plan & {
  readonly published: Published;
  /** Verbs that `published` need not hold yet, although they may be committed, in the order of acceptance. */
  readonly accepted: readonly AcceptedVerb[];
  /** Those of them that wait to be committed. */
  readonly pending: readonly PlanVerb[];
  readonly platforms: readonly Platform[];
};

/**
 * The plan after the verbs, which are in the order of acceptance. A verb that is not legal any more because somebody else
 * committed first has no effect; the outbox will find the same and reject it.
 */
export function planInForce(committed: Plan, accepted: readonly PlanVerb[]): Plan {
  return accepted.slice(countDecided(committed, accepted)).reduce((plan, verb) => {
    try {
      return applyToPlan(plan, verb);
    } catch (error) {
      if (error instanceof RolloutError) return plan;
      throw error;
    }
  }, committed);
}

/** The plan in force, in memory. */
export class Fleet {
  #view: FleetView;
  #current: ReadonlyMap<string, readonly Rollout[]>;
  readonly #onChange: (before: FleetView, after: FleetView) => void;

  constructor(
    published: Published,
    accepted: readonly AcceptedVerb[],
    onChange: (before: FleetView, after: FleetView) => void = () => {},
  ) {
    this.#onChange = onChange;
    this.#view = viewOf(published, accepted);
    this.#current = currentByPlatform(this.#view);
  }

  get view(): FleetView {
    return this.#view;
  }

  /** What `decideAmong` needs for a host of this platform. */
  judgementFor(platform: Platform, leases: LeaseCount): Judgement {
    const rollouts = this.currentRollouts(platform) ?? [];
    return { rollouts, rules: this.#view.fleet.rules, leases };
  }

  /** The rollouts in force of this platform, the newest release first, or null if nobody may publish releases for it. */
  currentRollouts(platform: Platform): readonly Rollout[] | null {
    return this.#current.get(keyOf(platform)) ?? null;
  }

  /** Somebody committed: this server or another writer. Verbs that were committed before it was read may be named as `held`. */
  publish(published: Published, held: ReadonlySet<string> = new Set()): void {
    const others = this.#view.accepted.filter(({ verb }) => !held.has(verb.id));
    this.#replace(published, notShown(published, others));
  }

  /**
   * What is known now of these verbs, accepted by whichever server; of others nothing changes. A verb leaves the memory when it
   * was rejected, or when it was committed and `published` shows it.
   */
  learn(stored: readonly AcceptedVerb[]): void {
    const { published, accepted } = this.#view;
    const known = new Map([...accepted, ...stored].map((one) => [one.verb.id, one]));
    const inOrder = [...known.values()].toSorted((a, b) => a.sequence - b.sequence);
    const rest = notShown(published, inOrder);
    const isNew = !isDeepStrictEqual(rest.map(standing), accepted.map(standing));
    if (isNew) this.#replace(published, rest);
  }

  #replace(published: Published, accepted: readonly AcceptedVerb[]): void {
    const before = this.#view;
    this.#view = viewOf(published, accepted);
    this.#current = currentByPlatform(this.#view);
    this.#onChange(before, this.#view);
  }
}

function standing({ sequence, verb, status }: AcceptedVerb) {
  return { sequence, id: verb.id, status };
}

/** Without those that are finished and of which the manifest shows what became of them. */
function notShown(published: Plan, inOrder: readonly AcceptedVerb[]): readonly AcceptedVerb[] {
  const verbs = inOrder.map(({ verb }) => verb);
  const decided = countDecided(published, verbs);
  return inOrder.filter(
    ({ status }, index) => status === 'pending' || (status === 'committed' && index >= decided),
  );
}

function viewOf(published: Published, accepted: readonly AcceptedVerb[]): FleetView {
  const { rollouts, fleet } = published;
  const verbs = accepted.map(({ verb }) => verb);
  return {
    published,
    accepted,
    pending: accepted.flatMap(({ verb, status }) => (status === 'pending' ? [verb] : [])),
    ...planInForce({ rollouts, fleet }, verbs),
    platforms: platformsOf(published.state),
  };
}

function platformsOf({ delegated }: RepositoryState): readonly Platform[] {
  return [...delegated.keys()].flatMap((role) => platformOfRole(role) ?? []);
}

function currentByPlatform({ platforms, rollouts }: FleetView) {
  return new Map(
    platforms.map((platform) => [keyOf(platform), currentNewestFirst(rollouts, platform)]),
  );
}

function keyOf({ variant, arch }: Platform): string {
  return `${variant}\n${arch}`;
}
