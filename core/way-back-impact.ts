import { z } from 'zod';
import { currentNewestFirst, decideAmong, offerOf } from './decide.ts';
import type { Host, Judgement } from './decide.ts';
import type { FleetRules } from './fleet/rules.ts';
import type { Rollout } from './rollout.ts';

/** A host that was not heard of for so long may be gone for good. */
const UNHEARD_MS = 86_400_000;

/** Answer of `POST /api/v1/rollouts/{id}/roll-back/impact`: what the verb would do to the hosts that run the release. */
export const wayBackImpactSchema = z.object({
  rolloutId: z.string(),
  version: z.string(),
  to: z.string(),
  /** All that run the release, by their last word. Each of them is one of the next four. */
  hosts: z.int(),
  /** Sent back at their next poll. */
  atOnce: z.int(),
  /** Sent back when a wave, a window or the end of a freeze lets them. */
  later: z.int(),
  /** Given a newer release instead. */
  forward: z.int(),
  /** Not sent back unless a person changes something. */
  cannot: z.array(z.object({ reason: z.string(), hosts: z.int() })),
  /** Of all, those not heard of for a day: they learn of it when they poll again. */
  unheard: z.int(),
  /** Not among `hosts`: offered the release, and silent so far. Who comes to run it is sent back then. */
  underWay: z.int(),
});
export type WayBackImpact = z.infer<typeof wayBackImpactSchema>;

type Fates = Pick<WayBackImpact, 'hosts' | 'atOnce' | 'later' | 'forward' | 'cannot' | 'unheard'>;

/** Finds for each host that runs the release what it would be told. */
export class WayBackCount {
  readonly #rolloutId: string;
  readonly #judgement: Judgement;
  readonly #now: Date;
  readonly #cannot = new Map<string, number>();
  #hosts = 0;
  #atOnce = 0;
  #later = 0;
  #forward = 0;
  #unheard = 0;

  /** `rollouts` are as the verb would leave them. Leases come and go, so they hold nobody here. */
  constructor(
    { id, release }: Rollout,
    { rollouts, rules }: { readonly rollouts: readonly Rollout[]; readonly rules: FleetRules },
    now: Date,
  ) {
    this.#rolloutId = id;
    this.#judgement = { rollouts: currentNewestFirst(rollouts, release), rules };
    this.#now = now;
  }

  add(host: Host, lastSeen: Date): void {
    this.#hosts += 1;
    if (this.#now.getTime() - lastSeen.getTime() >= UNHEARD_MS) this.#unheard += 1;
    const told = decideAmong(host, this.#judgement, this.#now);
    if (told.decision === 'update' && told.direction === 'forward') {
      this.#forward += 1;
      return;
    }
    // A wait for a newer release is no way back.
    const wayBack = offerOf(this.#rolloutId, host, this.#judgement, this.#now);
    if (wayBack?.decision === 'update') this.#atOnce += 1;
    else if (wayBack !== null && wayBack.eligibleAt !== null) this.#later += 1;
    else this.#hold(wayBack?.reason ?? 'up-to-date');
  }

  #hold(reason: string): void {
    this.#cannot.set(reason, (this.#cannot.get(reason) ?? 0) + 1);
  }

  get fates(): Fates {
    return {
      ...{ hosts: this.#hosts, atOnce: this.#atOnce, later: this.#later, forward: this.#forward },
      cannot: [...this.#cannot].map(([reason, hosts]) => ({ reason, hosts })),
      unheard: this.#unheard,
    };
  }
}
