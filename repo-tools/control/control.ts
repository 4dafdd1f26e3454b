import type { Host } from '../../core/decide.ts';
import type { FleetRules } from '../../core/fleet/rules.ts';
import type { GroupList } from '../../core/group-view.ts';
import type { FleetRecord } from '../../core/plan.ts';
import type { RolloutView } from '../../core/rollout-view.ts';
import type { SimpleVerb } from '../../core/verb.ts';
import type { WayBackImpact } from '../../core/way-back-impact.ts';
import type { Why } from '../../core/why.ts';

export type StartOrder = {
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  /** The text of a wave policy file; null is everyone at once. */
  readonly policy: string | null;
  /** Null is now. */
  readonly startAt: Date | null;
  readonly seeds: 'stable' | 'shuffled';
  readonly reason: string | null;
};

export type RollBackOrder = {
  readonly rolloutId: string;
  readonly version: string;
  /** The text of a wave policy file, whose clock begins now; null is everyone at once. */
  readonly policy: string | null;
  readonly reason: string | null;
};

/** A host by its id; `host` says what it is where nobody else knows. */
export type WhyQuestion = { readonly id: string; readonly host: Host | null };

/** How verbs are told from each other: by an id of their own, so that one which is sent again is not done twice. */
export type RequestIds = () => string;

/**
 * Where an operator's verbs go: to a server, or straight into the repository with the key of the rollouts role. Both
 * refuse what is not legal with the same codes; a verb has taken effect when the promise resolves.
 */
export interface RolloutControl extends AsyncDisposable {
  start(order: StartOrder): Promise<RolloutView>;
  change(kind: SimpleVerb, rolloutId: string, reason: string | null): Promise<RolloutView>;
  rollBack(order: RollBackOrder): Promise<RolloutView>;
  list(): Promise<readonly RolloutView[]>;
  show(rolloutId: string): Promise<RolloutView>;
  /** What `rollBack` would do to which hosts, if it is legal; null where nobody knows the hosts. Nothing is done. */
  rollBackImpact(order: Omit<RollBackOrder, 'reason'>): Promise<WayBackImpact | null>;
  groups(): Promise<GroupList>;
  fleet(): Promise<FleetRecord>;
  /** Replaces all rules of the fleet: these, which were read before, and no others. */
  applyFleet(
    rules: FleetRules,
    order: { readonly replaces: FleetRecord; readonly reason: string | null },
  ): Promise<FleetRecord>;
  why(question: WhyQuestion): Promise<Why>;
}
