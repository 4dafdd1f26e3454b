import type { AuditRecord, ChainHead } from './audit.ts';
import { formatInstant } from './instant.ts';
import { rulesToJson } from './fleet/write-rules.ts';
import type { FleetRecord, Plan, PlanVerb } from './plan.ts';
import { isSamePolicy, rolloutToJson } from './rollout.ts';
import type { Change, Rollout } from './rollout.ts';

type View = AuditRecord['before'];

/** What a verb is about before and after it, as the log tells it; null where there was none, or it is not known. */
export type VerbChange = Pick<AuditRecord, 'before' | 'after'>;

/** What a verb did to the rollout that it is about, or to the rules of the fleet. */
export function changeOf(verb: PlanVerb, before: Plan, after: Plan): VerbChange {
  if (verb.kind === 'apply-fleet') return rulesViews(before.fleet, after.fleet);
  const find = ({ rollouts }: Plan) => rollouts.find(({ id }) => id === verb.rolloutId) ?? null;
  return rolloutViews(find(before), find(after));
}

/** What happened to a verb of an operator, for the log. */
export function recordOfVerb(
  verb: PlanVerb,
  happened: {
    readonly event: 'accepted' | 'committed' | 'rejected';
    readonly at: Date;
    readonly message?: string;
    readonly change?: VerbChange | undefined;
  },
): AuditRecord {
  const { event, at, message = null, change = { before: null, after: null } } = happened;
  return expressible({
    at: formatInstant(at),
    event,
    actor: verb.by,
    verbId: verb.id,
    verb: verb.kind,
    verbAt: formatInstant(verb.at),
    rolloutId: verb.kind === 'apply-fleet' ? null : verb.rolloutId,
    reason: verb.reason,
    message,
    ...change,
  });
}

/** That the log keeps nothing from before a time any more, and so no entry up to this head. */
export function recordOfForgotten(
  { sequence, hash }: ChainHead,
  { at, before }: { readonly at: Date; readonly before: Date },
): AuditRecord {
  return {
    at: formatInstant(at),
    event: 'forgotten',
    actor: 'server',
    verbId: `forgotten-${sequence}`,
    verb: 'forget',
    verbAt: formatInstant(at),
    rolloutId: null,
    reason: `nothing from before ${formatInstant(before)} is kept`,
    message: null,
    before: null,
    after: { sequence, hash },
  };
}

/** The verbs that somebody committed between two manifests, in the order of their times, for the log. */
export function recordsOfFound(before: Plan, after: Plan, at: Date): readonly AuditRecord[] {
  const ofRollouts = after.rollouts.flatMap((rollout) => {
    const old = before.rollouts.find(({ id }) => id === rollout.id) ?? null;
    const changes = newChanges(old?.history ?? [], rollout.history);
    return found(changes, rollout.id, (isFirst, isLast) =>
      rolloutViews(isFirst ? old : null, isLast ? rollout : null),
    );
  });
  const changes = newChanges(before.fleet.history, after.fleet.history);
  const ofFleet = found(changes, null, (isFirst, isLast) =>
    rulesViews(isFirst ? before.fleet : null, isLast ? after.fleet : null),
  );
  return [...ofRollouts, ...ofFleet]
    .toSorted((a, b) => a.change.at.getTime() - b.change.at.getTime())
    .map(({ change, rolloutId, views }) => recordOfChange(change, rolloutId, { at, ...views }));
}

function newChanges(before: readonly Change[], after: readonly Change[]): readonly Change[] {
  const known = new Set(before.map(({ id }) => id));
  return after.filter(({ id }) => !known.has(id));
}

/** Of several that were found at once only the first has a before, and only the last an after. */
function found(
  changes: readonly Change[],
  rolloutId: string | null,
  viewsOf: (isFirst: boolean, isLast: boolean) => VerbChange,
) {
  return changes.map((change, index) => ({
    change,
    rolloutId,
    views: viewsOf(index === 0, index === changes.length - 1),
  }));
}

function recordOfChange(
  change: Change,
  rolloutId: string | null,
  { at, ...views }: VerbChange & { readonly at: Date },
): AuditRecord {
  return expressible({
    at: formatInstant(at),
    event: 'found',
    actor: change.by,
    verbId: change.id,
    verb: change.verb,
    verbAt: formatInstant(change.at),
    rolloutId,
    reason: change.reason,
    message: null,
    ...views,
  });
}

function rulesViews(before: FleetRecord | null, after: FleetRecord | null): VerbChange {
  const view = (record: FleetRecord | null) => (record === null ? null : rulesToJson(record.rules));
  return { before: view(before), after: view(after) };
}

/** The policy is the long part of a rollout: it stands only where the verb set it. */
function rolloutViews(before: Rollout | null, after: Rollout | null): VerbChange {
  const isSame = before !== null && after !== null && isSamePolicy(before.policy, after.policy);
  return { before: viewOf(before, isSame), after: viewOf(after, isSame) };
}

function viewOf(rollout: Rollout | null, isPolicyKnown: boolean): View {
  if (rollout === null) return null;
  const { variant, arch, version } = rollout.release;
  return {
    ...rolloutToJson(rollout),
    id: undefined,
    history: undefined,
    release: { variant, arch, version },
    sentBackTo: rollout.sentBackTo?.version ?? null,
    ...(isPolicyKnown ? { policy: undefined } : {}),
  };
}

/** Plain JSON that canonical JSON can express: fractions are told as text, and halves of characters are replaced. */
function expressible(record: AuditRecord): AuditRecord {
  return JSON.parse(
    JSON.stringify(record, (_key, value: unknown) => {
      if (typeof value === 'string') return value.toWellFormed();
      return typeof value === 'number' && !Number.isInteger(value) ? String(value) : value;
    }),
  );
}
