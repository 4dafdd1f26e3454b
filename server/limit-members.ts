import { limitsOf } from '../core/fleet/limit.ts';
import type { FleetRules, Member } from '../core/fleet/rules.ts';
import type { Fleet } from './fleet.ts';
import type { HostSweep } from './host-sweep.ts';

export type LimitMembersOptions = {
  readonly sweep: HostSweep;
  readonly fleet: Fleet;
  readonly now: () => Date;
};

const COUNT_AGAIN_MS = 600_000;

/**
 * How many known hosts share a limit that is a share of them. Counted in the background when the rules change and
 * every ten minutes; until the first count is done nobody is known, and a share of nobody lets one host through.
 */
export class LimitMembers {
  readonly #options: LimitMembersOptions;
  #counts: ReadonlyMap<string, number> = new Map();
  #counted: { readonly rules: FleetRules; readonly at: Date } | null = null;

  constructor(options: LimitMembersOptions) {
    this.#options = options;
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Counts if it is time. Throws StateError, and then the counts stay as they were. */
  async tick(): Promise<void> {
    const { fleet, now } = this.#options;
    const { rules } = fleet.view.fleet;
    const at = now();
    if (this.#counted?.rules === rules && !isOld(this.#counted.at, at)) return;
    this.#counts = asksForShares(rules) ? await this.#count(rules) : new Map();
    this.#counted = { rules, at };
  }

  async #count(rules: FleetRules): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    await this.#options.sweep.each({}, (host) => {
      for (const key of sharesOf(host, rules)) counts.set(key, (counts.get(key) ?? 0) + 1);
    });
    return counts;
  }
}

/** A clock that was set back must not stop the counting. */
function isOld(countedAt: Date, now: Date): boolean {
  return Math.abs(now.getTime() - countedAt.getTime()) >= COUNT_AGAIN_MS;
}

function asksForShares({ groups }: FleetRules): boolean {
  return groups.some(({ concurrency }) => concurrency.some(({ limit }) => limit.kind === 'share'));
}

/** The keys of the shares that bound a host, each once. */
function sharesOf(host: Member, rules: FleetRules): ReadonlySet<string> {
  const shares = limitsOf(host, rules).filter(({ limit }) => limit.kind === 'share');
  return new Set(shares.map(({ key }) => key));
}
