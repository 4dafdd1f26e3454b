import type { RepositoryState } from '../adapters/repository/repository.ts';
import type { ManifestContent } from '../adapters/repository/rollouts.ts';
import { currentNewestFirst } from '../core/decide.ts';
import type { Judgement } from '../core/decide.ts';
import type { LeaseCount } from '../core/fleet/limit.ts';
import { applyToPlan } from '../core/plan.ts';
import type { Plan, PlanVerb } from '../core/plan.ts';
import type { Rollout } from '../core/rollout.ts';
import { platformOfRole } from '../core/tuf/names.ts';
import type { Platform } from '../core/tuf/names.ts';
import { RolloutError } from '../core/verb.ts';

/** The content of the signed manifest, and the state of the repository that it belongs to. */
export type Published = ManifestContent & { readonly state: RepositoryState };

/**
 * All that polls are answered from: never changed, only replaced as a whole. Its plan is the one in force: that of the
 * manifest with the pending verbs applied on top.
 */
export type FleetView = Plan & {
  readonly published: Published;
  /** Verbs that are durable, but not in the manifest yet, in the order of acceptance. */
  readonly pending: readonly PlanVerb[];
  readonly platforms: readonly Platform[];
};

/**
 * The plan after the verbs. A verb that is not legal any more because somebody else committed first has no effect; the
 * outbox will find the same and reject it.
 */
export function planInForce(committed: Plan, pending: readonly PlanVerb[]): Plan {
  return pending.reduce((plan, verb) => {
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
    pending: readonly PlanVerb[],
    onChange: (before: FleetView, after: FleetView) => void = () => {},
  ) {
    this.#onChange = onChange;
    this.#view = viewOf(published, pending);
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

  /** Somebody committed: this server or another writer. */
  publish(published: Published): void {
    this.#replace(published, this.#view.pending);
  }

  /** A verb became durable. */
  accept(verb: PlanVerb): void {
    if (this.#view.pending.some(({ id }) => id === verb.id)) return;
    this.#replace(this.#view.published, [...this.#view.pending, verb]);
  }

  /** Verbs that are durable, perhaps accepted by another server, in the order of acceptance. */
  learn(durable: readonly PlanVerb[]): void {
    const known = new Set(durable.map(({ id }) => id));
    // Those that the list does not name were accepted after it was read, or are finished.
    const others = this.#view.pending.filter(({ id }) => !known.has(id));
    this.#replace(this.#view.published, [...durable, ...others]);
  }

  /** A verb was committed or rejected for good. */
  settle(verbId: string): void {
    const pending = this.#view.pending.filter(({ id }) => id !== verbId);
    this.#replace(this.#view.published, pending);
  }

  #replace(published: Published, pending: readonly PlanVerb[]): void {
    const before = this.#view;
    this.#view = viewOf(published, pending);
    this.#current = currentByPlatform(this.#view);
    this.#onChange(before, this.#view);
  }
}

function viewOf(published: Published, pending: readonly PlanVerb[]): FleetView {
  return {
    published,
    pending,
    ...planInForce({ rollouts: published.rollouts, fleet: published.fleet }, pending),
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
