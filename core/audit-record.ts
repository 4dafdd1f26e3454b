import type { AuditRecord } from './audit.ts';
import { formatInstant } from './instant.ts';
import { isSamePolicy, rolloutToJson } from './rollout.ts';
import type { Change, Rollout } from './rollout.ts';
import type { Verb } from './verb.ts';

type View = AuditRecord['before'];

/** A rollout before and after a verb; null where there was none, or it is not known. */
export type RolloutChange = { readonly before: Rollout | null; readonly after: Rollout | null };

/** What a verb did to the rollout that it is about. */
export function rolloutChange(
  { rolloutId }: Pick<Verb, 'rolloutId'>,
  before: readonly Rollout[],
  after: readonly Rollout[],
): RolloutChange {
  const find = (rollouts: readonly Rollout[]) => rollouts.find(({ id }) => id === rolloutId);
  return { before: find(before) ?? null, after: find(after) ?? null };
}

/** What happened to a verb of an operator, for the log. */
export function recordOfVerb(
  verb: Verb,
  happened: {
    readonly event: 'accepted' | 'committed' | 'rejected';
    readonly at: Date;
    readonly message?: string;
    readonly change?: RolloutChange | undefined;
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
    rolloutId: verb.rolloutId,
    reason: verb.reason,
    message,
    ...viewsOf(change),
  });
}

/** The verbs that somebody committed between two manifests, in the order of their times, for the log. */
export function recordsOfFound(
  before: readonly Rollout[],
  after: readonly Rollout[],
  at: Date,
): readonly AuditRecord[] {
  return after
    .flatMap((rollout) => {
      const old = before.find(({ id }) => id === rollout.id) ?? null;
      const known = new Set(old?.history.map(({ id }) => id));
      const changes = rollout.history.filter(({ id }) => !known.has(id));
      return changes.map((change, index) => ({
        change,
        record: recordOfChange(change, rollout.id, {
          at,
          before: index === 0 ? old : null,
          after: index === changes.length - 1 ? rollout : null,
        }),
      }));
    })
    .toSorted((a, b) => a.change.at.getTime() - b.change.at.getTime())
    .map(({ record }) => record);
}

function recordOfChange(
  change: Change,
  rolloutId: string,
  { at, ...views }: RolloutChange & { readonly at: Date },
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
    ...viewsOf(views),
  });
}

/** The policy is the long part of a rollout: it stands only where the verb set it. */
function viewsOf({ before, after }: RolloutChange): {
  readonly before: View;
  readonly after: View;
} {
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
