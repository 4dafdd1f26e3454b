import { documentOf, rankOf, SEEDS } from './policy.ts';
import { covers } from './rollout-model.ts';
import type { PersonVerb, RolloutModel } from './rollout-model.ts';
import { isHeld, isTooNew, LATE_MS, NO_RULES } from './rules.ts';
import type { RulesSpec } from './rules.ts';
import type { ReportSpec } from './standings.ts';

/** A host as it is, whatever the server knows of it. */
export type HostModel = {
  readonly id: string;
  readonly seed: number;
  readonly group: string | null;
  version: string;
  /** What it was told last that it has not tried yet. */
  offer: { readonly rolloutId: string; readonly to: string; readonly isBack: boolean } | null;
  /** What failed on it last and is not tried again before a later attempt. */
  failed: { readonly version: string; readonly attempt: number } | null;
  /** Reports that nobody acknowledged, and those that somebody did. */
  unsent: ReportSpec[];
  readonly sent: ReportSpec[];
};

export type Expected = {
  readonly rolloutId: string;
  readonly to: string;
  readonly isBack: boolean;
} | null;

/** An order that a server acknowledged, to be sent again. */
export type Acknowledged = {
  readonly verbId: string;
  readonly method: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly status: number;
};

/** What ought to be true of a fleet: who may start what, and what was acknowledged. */
export class FleetModel {
  nowMs: number;
  rules: RulesSpec = NO_RULES;
  /** Ids of the verbs that replaced the rules. */
  readonly ruleVerbs: string[] = [];
  readonly rollouts: RolloutModel[] = [];
  readonly hosts: readonly HostModel[];
  readonly acknowledged: Acknowledged[] = [];
  /** Verbs that somebody committed without the server. */
  readonly foreignVerbs: string[] = [];
  /** Verbs that were refused: they must never be in force. */
  readonly refused: string[] = [];
  /** Whether the storage or the database of the server does not answer. */
  isAway = false;
  #ids = 0;

  constructor(nowMs: number, hosts: readonly HostModel[]) {
    this.nowMs = nowMs;
    this.hosts = hosts;
  }

  /** Unique in a run. */
  newId(kind: string): string {
    this.#ids += 1;
    return `${kind}-${String(this.#ids).padStart(6, '0')}`;
  }

  rollout(id: string): RolloutModel | undefined {
    return this.rollouts.find((one) => one.id === id);
  }

  /** One of all, counted from the newest. */
  pick(index: number): RolloutModel {
    const rollout = this.rollouts.at(-1 - (index % Math.max(1, this.rollouts.length)));
    if (rollout === undefined) throw new Error('there is no rollout');
    return rollout;
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (const rollout of this.rollouts) rollout.pass(ms);
  }

  /** Of several rollouts of one version only the last counts. */
  current(): readonly RolloutModel[] {
    return this.rollouts.filter(
      ({ version }, index) =>
        !this.rollouts.slice(index + 1).some((one) => one.version === version),
    );
  }

  /** Whether a rollout of this version may begin that sends hosts back there when it halts. */
  mayStart(version: string, backTo: string | null): boolean {
    const isPermitted = backTo === null || documentOf(version).rollbackTo.includes(backTo);
    return isPermitted && this.current().every((one) => one.version !== version || one.isOver);
  }

  allows(rollout: RolloutModel, kind: PersonVerb): boolean {
    const current = this.current();
    const isCovered = this.#isCovered(rollout, current);
    return current.includes(rollout) && rollout.allows(kind, isCovered);
  }

  /** Whether nobody loses an update without this rollout: each group gets a newer one, and no host is pinned to it. */
  #isCovered(older: RolloutModel, current: readonly RolloutModel[]): boolean {
    const { groups, pin, deadEnd } = this.rules;
    return (
      pin?.version !== older.version &&
      [null, ...groups].every(
        (group) =>
          isTooNew(group, older.version) ||
          current.some(
            (newer) =>
              newer.version !== deadEnd &&
              !isTooNew(group, newer.version) &&
              covers(newer, older, (one) => tideIn(group, one)),
          ),
      )
    );
  }

  /** What a host must be told: where to go, or null to stay. */
  expected(host: HostModel): Expected {
    const newestFirst = this.current().toSorted((a, b) => rankOf(b.version) - rankOf(a.version));
    const forward = newestFirst.find((rollout) => this.#letsForward(rollout, host));
    if (forward !== undefined) {
      return { rolloutId: forward.id, to: forward.version, isBack: false };
    }
    const back = newestFirst.find(({ version }) => version === host.version);
    const to = back === undefined ? null : this.#wayBack(back, host);
    return back === undefined || to === null ? null : { rolloutId: back.id, to, isBack: true };
  }

  #letsForward(rollout: RolloutModel, host: HostModel): boolean {
    if (rollout.isOver || rollout.state !== 'running') return false;
    const from = rankOf(host.version);
    if (rankOf(rollout.version) <= from) return false;
    const { minimumFrom } = documentOf(rollout.version);
    if (minimumFrom !== null && from < rankOf(minimumFrom)) return false;
    const group = this.rules.groups.find((name) => name === host.group) ?? null;
    const isThrough = host.seed < tideIn(group, rollout);
    const step = { to: rollout.version, isBack: false };
    if (hasGivenUp(host, rollout, step.to)) return false;
    return isThrough && !isHeld(this.rules, host, step, this.nowMs);
  }

  #wayBack(rollout: RolloutModel, host: HostModel): string | null {
    if (!letsGo(rollout, host)) return null;
    let to = rollout.back ?? '';
    for (;;) {
      const ahead = this.current().find(({ version }) => version === to);
      const next = ahead !== undefined && letsGo(ahead, host) ? ahead.back : null;
      const { rollbackTo } = documentOf(rollout.version);
      if (next === null || rankOf(next) >= rankOf(to) || !rollbackTo.includes(next)) break;
      to = next;
    }
    if (hasGivenUp(host, rollout, to)) return null;
    return isHeld(this.rules, host, { to, isBack: true }, this.nowMs) ? null : to;
  }
}

function hasGivenUp({ failed }: HostModel, { attempt }: RolloutModel, to: string): boolean {
  return failed !== null && failed.version === to && attempt <= failed.attempt;
}

/** How many seeds are let through in a group. */
function tideIn(group: string | null, rollout: RolloutModel): number {
  if (group === 'canary') return rollout.hasOpened() ? SEEDS : 0;
  return rollout.tide(group === 'late' ? LATE_MS : 0);
}

function letsGo(rollout: RolloutModel, host: HostModel): boolean {
  return rollout.state === 'rolled-back' && host.seed < rollout.tide();
}
