import type { RepositoryState } from '../adapters/repository/repository.ts';
import type { ManifestContent } from '../adapters/repository/rollouts.ts';
import { currentNewestFirst } from '../core/decide.ts';
import type { Rollout } from '../core/rollout.ts';
import { platformOfRole } from '../core/tuf/names.ts';
import type { Platform } from '../core/tuf/names.ts';
import { applyVerb, RolloutError } from '../core/verb.ts';
import type { Verb } from '../core/verb.ts';

/** The content of the signed manifest, and the state of the repository that it belongs to. */
export type Published = ManifestContent & { readonly state: RepositoryState };

/** All that polls are answered from: never changed, only replaced as a whole. */
export type FleetView = {
  readonly published: Published;
  /** Verbs that are durable, but not in the manifest yet, in the order of acceptance. */
  readonly pending: readonly Verb[];
  /** The rollouts in force: those of the manifest with the pending verbs applied on top. */
  readonly rollouts: readonly Rollout[];
  readonly platforms: readonly Platform[];
};

/**
 * The rollouts after the verbs. A verb that is not legal any more because somebody else committed first has no effect; the
 * outbox will find the same and reject it.
 */
export function rolloutsInForce(
  committed: readonly Rollout[],
  pending: readonly Verb[],
): readonly Rollout[] {
  return pending.reduce((rollouts, verb) => {
    try {
      return applyVerb(rollouts, verb);
    } catch (error) {
      if (error instanceof RolloutError) return rollouts;
      throw error;
    }
  }, committed);
}

/** The rollouts in force, in memory. */
export class Fleet {
  #view: FleetView;
  #current: ReadonlyMap<string, readonly Rollout[]>;
  readonly #onChange: (before: FleetView, after: FleetView) => void;

  constructor(
    published: Published,
    pending: readonly Verb[],
    onChange: (before: FleetView, after: FleetView) => void = () => {},
  ) {
    this.#onChange = onChange;
    this.#view = viewOf(published, pending);
    this.#current = currentByPlatform(this.#view);
  }

  get view(): FleetView {
    return this.#view;
  }

  /** What `decideAmong` needs for a host of this platform, or null if nobody may publish releases for it. */
  currentRollouts(platform: Platform): readonly Rollout[] | null {
    return this.#current.get(keyOf(platform)) ?? null;
  }

  /** Somebody committed: this server or another writer. */
  publish(published: Published): void {
    this.#replace(published, this.#view.pending);
  }

  /** A verb became durable. */
  accept(verb: Verb): void {
    if (this.#view.pending.some(({ id }) => id === verb.id)) return;
    this.#replace(this.#view.published, [...this.#view.pending, verb]);
  }

  /** Verbs that are durable, perhaps accepted by another server, in the order of acceptance. */
  learn(durable: readonly Verb[]): void {
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

  #replace(published: Published, pending: readonly Verb[]): void {
    const before = this.#view;
    this.#view = viewOf(published, pending);
    this.#current = currentByPlatform(this.#view);
    this.#onChange(before, this.#view);
  }
}

function viewOf(published: Published, pending: readonly Verb[]): FleetView {
  return {
    published,
    pending,
    rollouts: rolloutsInForce(published.rollouts, pending),
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
