/** At least this share, in whole percent 1..100, of at least so many hosts. */
export type Threshold = { readonly percentage: number; readonly minimum: number };

/** Conditions at a wave's opening, all of which must hold; the soak comes first. */
export type Gate = {
  /** Time spent at the tide reached so far; 0 is none. */
  readonly soakMs: number;
  /** How many of the hosts that were let through so far must have come through. */
  readonly success: Threshold | null;
  readonly needsApproval: boolean;
};

/** When the server stops a rollout by itself: this share of the outcomes, of at least so many, are failures. */
export type HaltRule = Threshold & {
  /** The version that the hosts are then sent back to; null leaves that to a person. */
  readonly rollBackTo: string | null;
};

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

export type Policy = {
  readonly waves: readonly Wave[];
  readonly halt: HaltRule | null;
  /** A host that was offered the release and says nothing for so long counts as a failure; null waits for ever. */
  readonly outcomeWithinMs: number | null;
};

/** Whether a gate of the policy waits for outcomes of hosts. */
export function asksForSuccess({ waves }: Pick<Policy, 'waves'>): boolean {
  return waves.some(({ gate }) => gate !== null && gate.success !== null);
}

/** No policy: everyone at once. */
export const EVERYONE_AT_ONCE: Policy = {
  waves: [{ opensAtMs: 0, percentage: 100, gate: null, rampMs: 0 }],
  halt: null,
  outcomeWithinMs: null,
};
