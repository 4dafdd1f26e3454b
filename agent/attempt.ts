import type { AgentState, Outcome, Target } from './machine-state.ts';
import type { Finished } from './programs.ts';
import type { UpdateStep, Waiting } from './refusals.ts';
import type { SealedSlot } from './slots/slots.ts';

/** Who decides whether an attempt goes on, and where its release comes from. */
export type Conduct = {
  /** Whether the host lets it go on now: null if so, else why not. */
  readonly refusal: (step: UpdateStep, waiting: Waiting) => Promise<string | null>;
  /**
   * Makes sure that signed documents let this host go there. What it returns brings the release into the inactive slot,
   * sealed and just read through, and says how many bytes came over the network.
   */
  readonly verify: (target: Target) => Promise<() => Promise<number>>;
  /** Whether the order of a rollout stands: null if so, else why not. */
  readonly ask: (target: Target, state: AgentState) => Promise<string | null>;
  /** Whether the host is well on what it runs on trial; null where that is not for this attempt to say. */
  readonly checkHealth: (target: Target) => Promise<Finished | null>;
};

/** What a cycle goes on with, and what it learns on the way. */
export type Attempt = {
  /** What the host runs. */
  readonly active: SealedSlot;
  readonly conduct: Conduct;
  /** The inactive slot was read through in this attempt. */
  isVerified: boolean;
  /** The system took an order to boot. */
  isBooting: boolean;
  /** Bytes of images that came over the network. */
  bytesFetched: number;
  /** Why it went no further. */
  reason: string | null;
  /** After `failed` a later cycle may try again; `refused` is what signed files do not allow. */
  end: 'open' | 'failed' | 'refused';
  /** How long a server that took no check-in asks to be left alone. */
  retryAfterSeconds: number | null;
  /** How an attempt ended, once that is in the queue of reports. */
  outcome: Outcome | null;
};

export function newAttempt(active: SealedSlot, conduct: Conduct): Attempt {
  return {
    ...{ active, conduct, isVerified: false, isBooting: false, bytesFetched: 0, reason: null },
    ...{ end: 'open', retryAfterSeconds: null, outcome: null },
  };
}
