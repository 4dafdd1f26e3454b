import type { AgentState, Mishap, Target } from './machine-state.ts';

/** What the slots and the system say when the agent starts. */
export type Facts = {
  /** The version that the host runs. */
  readonly running: string;
  /** The version that the inactive slot holds; null for none. */
  readonly other: string | null;
  /** The version that the next boot takes if it can. */
  readonly nextToBoot: string;
  /** Whether the boot loader tried the other slot as often as it was allowed to, in vain. */
  readonly isTriedInVain: boolean;
  /** Whether the boot loader has not yet been told that what runs is good. */
  readonly isOnTrial: boolean;
  /** Another one after each boot of the system. */
  readonly bootId: string;
  /** Whether there was no journal that could be read, so that the slots alone tell what was under way. */
  readonly isJournalLost: boolean;
};

/** When something failed, and chance (0 <= random < 1) for when it is tried again. */
export type Moment = { readonly nowMs: number; readonly random: number };

type AtTime = { readonly nowMs: number };

export type AgentEvent =
  | (Moment & { readonly kind: 'started'; readonly facts: Facts })
  /** `insists`: somebody asks for it although it failed here. */
  | (AtTime & { readonly kind: 'offered'; readonly target: Target; readonly insists: boolean })
  /** Somebody wants the attempt to go on from where it waits. */
  | { readonly kind: 'continued' }
  | { readonly kind: 'prepare-permitted' }
  | { readonly kind: 'sealed' }
  | { readonly kind: 'apply-permitted' }
  /** What was sealed is whole, and signed documents let this host go there, today. */
  | { readonly kind: 'verified' }
  /** The order stands. */
  | { readonly kind: 'allowed'; readonly bootId: string }
  /** The slot is the next to boot, durably; unless `needsReboot` the host runs it from now on. */
  | { readonly kind: 'activated'; readonly needsReboot: boolean }
  | { readonly kind: 'reboot-permitted' }
  /** The order stands after all that precedes the boot. */
  | (AtTime & { readonly kind: 'still-allowed' })
  /** The boot back may take place. */
  | (AtTime & { readonly kind: 'return-permitted'; readonly bootId: string })
  /** The boot that was prepared does not come now: nobody says whether it is wanted, or the system did not take the order. */
  | { readonly kind: 'reboot-put-off' }
  | { readonly kind: 'healthy' }
  | (AtTime & { readonly kind: 'unhealthy'; readonly mishap: Mishap })
  | { readonly kind: 'marked-good' }
  /** The slot of before is the next to boot again, durably; unless `needsReboot` the host runs it from now on. */
  | (Moment & { readonly kind: 'deactivated'; readonly needsReboot: boolean })
  /** The order does not stand any more, or somebody wants the host to stay where it is. */
  | { readonly kind: 'cancelled' }
  /** Who prepared the boot knows that it does not come. */
  | { readonly kind: 'called-off' }
  | (Moment & { readonly kind: 'failed'; readonly mishap: Mishap })
  /** Signed documents do not let this host go there. */
  | (Moment & { readonly kind: 'refused'; readonly mishap: Mishap })
  /** The outcome is in the queue of reports, durably. */
  | { readonly kind: 'reported' };

/** What is to be done now. It may be interrupted anywhere and is done again then: doing it twice is doing it once. */
export type Effect =
  /** Go on as soon as inhibitors and policies of the host permit it, and what precedes it is done. */
  | 'await-prepare'
  | 'await-apply'
  | 'await-reboot'
  /** The same for the boot back to the release before. */
  | 'await-return'
  /** Write the inactive slot and seal it. */
  | 'fill'
  /** Read what was sealed once more, unless that was just now. */
  | 'verify'
  /** Ask whether the order stands. */
  | 'ask'
  /** The same once more, because what precedes a boot may take long. */
  | 'ask-again'
  /** Make the inactive slot the next to boot. */
  | 'activate'
  | 'reboot'
  | 'check-health'
  | 'mark-good'
  /** Make the slot of before the next to boot. */
  | 'deactivate'
  /** Tell who prepared the boot that it does not come. */
  | 'call-off'
  /** Put the outcome into the queue of reports. */
  | 'report';

export type Step = { readonly state: AgentState; readonly effect: Effect | null };
