/** A condition at a wave's opening: a person's approval, or time spent at the tide reached so far. */
export type Gate =
  { readonly kind: 'approval' } | { readonly kind: 'soak'; readonly soakMs: number };

/** One step of a policy, on the rollout's clock: when it opens and which share of the fleet it reaches. */
export type Wave = {
  /** Milliseconds of the rollout's clock at the opening; soaks of gates before it come on top. */
  readonly opensAtMs: number;
  /** Whole percent of the fleet, 1..100, cumulative. */
  readonly percentage: number;
  readonly gate: Gate | null;
  /** Only on the last wave: how long it takes from its opening to its percentage; 0 is at once. */
  readonly rampMs: number;
};

export type Policy = { readonly waves: readonly Wave[] };

/** No policy: everyone at once. */
export const EVERYONE_AT_ONCE: Policy = {
  waves: [{ opensAtMs: 0, percentage: 100, gate: null, rampMs: 0 }],
};
