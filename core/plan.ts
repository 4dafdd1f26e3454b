import { NO_RULES } from './fleet/rules.ts';
import type { FleetRules } from './fleet/rules.ts';
import { formatInstant } from './instant.ts';
import type { Change, Rollout } from './rollout.ts';
import { applyVerb, RolloutError } from './verb.ts';
import type { Verb, VerbOrigin } from './verb.ts';

/** The rules of the fleet with the verbs that made them what they are, the oldest first. */
export type FleetRecord = { readonly rules: FleetRules; readonly history: readonly Change[] };

/** All that operators decide, as the signed manifest carries it: what is rolled out, and what the fleet asks of it. */
export type Plan = { readonly rollouts: readonly Rollout[]; readonly fleet: FleetRecord };

export const EMPTY_PLAN: Plan = { rollouts: [], fleet: { rules: NO_RULES, history: [] } };

/** The rules of the fleet as a whole, replaced. */
export type FleetVerb = VerbOrigin & {
  readonly kind: 'apply-fleet';
  readonly rules: FleetRules;
  /** The `rulesVersion` of the rules that it is to replace, if it is to replace no others. */
  readonly replaces?: string | undefined;
};

/** One pure edit of the plan and one commit, by a server or on the storage. */
export type PlanVerb = Verb | FleetVerb;

/** An id that is sent again later than this many changes is not recognised any more; it bounds the manifest. */
const HISTORY_KEPT = 100;

/** The plan after the verb. Throws RolloutError and changes nothing if the verb is not legal. */
export function applyToPlan(plan: Plan, verb: PlanVerb): Plan {
  if (verb.kind !== 'apply-fleet') {
    if (plan.fleet.history.some(({ id }) => id === verb.id)) throw taken(verb);
    const rollouts = applyVerb(plan.rollouts, verb, plan.fleet.rules);
    return rollouts === plan.rollouts ? plan : { ...plan, rollouts };
  }
  const { rollouts, fleet } = plan;
  if (fleet.history.some(({ id }) => id === verb.id)) return plan;
  if (rollouts.some(({ history }) => history.some(({ id }) => id === verb.id))) throw taken(verb);
  const { id, at, by, reason, replaces } = verb;
  if (replaces !== undefined && replaces !== rulesVersion(fleet)) throw otherRules(fleet);
  const history = [...fleet.history, { id, verb: verb.kind, at, by, reason, evidence: null }].slice(
    -HISTORY_KEPT,
  );
  return { rollouts, fleet: { rules: verb.rules, history } };
}

/** Tells the rules from those of every other time: the id of the verb that made them. */
export function rulesVersion({ history }: FleetRecord): string {
  return history.at(-1)?.id ?? 'none';
}

function otherRules({ history }: FleetRecord): RolloutError {
  const last = history.at(-1);
  const who = last === undefined ? '' : `: ${last.by} applied others at ${formatInstant(last.at)}`;
  return new RolloutError(
    'rollout/other-rules',
    `the rules of the fleet are not those any more that are to be replaced${who}`,
    { hints: ['look at the difference again, and then apply'] },
  );
}

/** The ids of all verbs that the plan has taken. */
export function appliedIds({ rollouts, fleet }: Plan): ReadonlySet<string> {
  const histories = [...rollouts.map(({ history }) => history), fleet.history];
  return new Set(histories.flatMap((history) => history.map(({ id }) => id)));
}

/**
 * How many of the verbs, the first ones, are decided on, because the plan holds the last of them. Verbs are committed in the
 * order of acceptance: one that comes before and is not in the plan was refused, and must not take effect after the later one.
 */
export function countDecided(plan: Plan, inOrder: readonly PlanVerb[]): number {
  const applied = appliedIds(plan);
  return inOrder.findLastIndex(({ id }) => applied.has(id)) + 1;
}

function taken(verb: PlanVerb): RolloutError {
  return new RolloutError('rollout/exists', `verb ${verb.id} was used for something else before`);
}
