import type { AgentState, Mishap, Target } from './machine-state.ts';

/** What the slots and the system say when the agent starts. */
export type Facts = {
  /** The version that the host runs. */
  readonly running: string;
  /** The version that the next boot takes if it can. */
  readonly nextToBoot: string;
  /** Whether the boot loader tried the other slot as often as it was allowed to, in vain. */
  readonly isTriedInVain: boolean;
  /** Another one after each boot of the system. */
  readonly bootId: string;
};

/** When something failed, and chance (0 <= random < 1) for when it is tried again. */
export type Moment = { readonly nowMs: number; readonly random: number };

export type AgentEvent =
  | (Moment & { readonly kind: 'started'; readonly facts: Facts })
  /** `insists`: somebody asks for it although it failed here. */
  | {
      readonly kind: 'offered';
      readonly target: Target;
      readonly nowMs: number;
      readonly insists: boolean;
    }
  /** Somebody wants the attempt to go on from where it waits. */
  | { readonly kind: 'continued' }
  | { readonly kind: 'prepare-permitted' }
  | { readonly kind: 'sealed' }
  | { readonly kind: 'apply-permitted' }
  /** What was sealed is whole, and signed documents let this host go there, today. */
  | { readonly kind: 'verified' }
  | { readonly kind: 'allowed'; readonly bootId: string }
  /** The slot is the next to boot, durably; unless `needsReboot` the host runs it from now on. */
  | { readonly kind: 'activated'; readonly needsReboot: boolean }
  | { readonly kind: 'reboot-permitted' }
  /** The system did not take the order to boot. */
  | { readonly kind: 'reboot-refused' }
  | { readonly kind: 'healthy' }
  | { readonly kind: 'unhealthy'; readonly mishap: Mishap }
  | { readonly kind: 'marked-good' }
  /** The slot of before is the next to boot again, durably; unless `needsReboot` the host runs it from now on. */
  | (Moment & { readonly kind: 'deactivated'; readonly needsReboot: boolean })
  /** Somebody wants the host to stay where it is. */
  | { readonly kind: 'cancelled' }
  | (Moment & { readonly kind: 'failed'; readonly mishap: Mishap })
  /** The outcome is in the queue of reports, durably. */
  | { readonly kind: 'reported' };

/** What is to be done now. It may be interrupted anywhere and is done again then: doing it twice is doing it once. */
export type Effect =
  /** Go on as soon as inhibitors and policies of the host permit it, and what precedes it is done. */
  | 'await-prepare'
  | 'await-apply'
  | 'await-reboot'
  /** Write the inactive slot and seal it. */
  | 'fill'
  /** Read what was sealed once more, unless that was just now. */
  | 'verify'
  /** Ask once more whether the release may be activated. */
  | 'ask'
  /** Make the inactive slot the next to boot. */
  | 'activate'
  | 'reboot'
  | 'check-health'
  | 'mark-good'
  /** Make the slot of before the next to boot. */
  | 'deactivate'
  /** Put the outcome into the queue of reports. */
  | 'report';

export type Step = { readonly state: AgentState; readonly effect: Effect | null };
