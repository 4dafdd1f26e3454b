import * as z from 'zod';
import { formatInstant, parseInstant } from './instant.ts';
import { isVersion } from './version.ts';
import type { Policy } from './wave.ts';

const version = z.string().refine(isVersion, 'must be a semantic version');
/** An RFC 3339 time as a Date. */
export const instantSchema = z.string().transform((text, context) => {
  try {
    return parseInstant(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be an RFC 3339 time' });
    return z.NEVER;
  }
});

export const releaseRefSchema = z
  .object({
    variant: z.string(),
    arch: z.string(),
    version,
    /** Target name of the release document; only that document is authority for the agent. */
    document: z.string(),
    /** Target name by image name. */
    images: z.record(z.string(), z.string()).readonly(),
    minimumFrom: version.nullable(),
    rollbackTo: z.array(version).readonly(),
    migrations: z.array(z.string()).readonly(),
  })
  .readonly();

/** What a rollout must know of a release to decide and to compile; taken from its signed document. */
export type ReleaseRef = z.infer<typeof releaseRefSchema>;

const threshold = { percentage: z.int().min(1).max(100), minimum: z.int().min(1) };

const waveSchema = z
  .object({
    opensAtMs: z.int(),
    percentage: z.int().min(1).max(100),
    gate: z
      .object({
        soakMs: z.int().min(0),
        success: z.object(threshold).readonly().nullable(),
        needsApproval: z.boolean(),
      })
      .readonly()
      .nullable(),
    rampMs: z.int().min(0),
  })
  .readonly();

/** A resolved policy: waves in strictly rising order of opening and percentage. */
export const policySchema: z.ZodType<Policy> = z
  .object({
    waves: z.array(waveSchema).min(1).readonly(),
    halt: z
      .object({ ...threshold, rollBackTo: version.nullable() })
      .readonly()
      .nullable(),
    outcomeWithinMs: z.int().min(1).nullable(),
  })
  .readonly()
  .refine(
    ({ waves }) =>
      waves.every((wave, index) => {
        const before = waves[index - 1];
        return (
          before === undefined ||
          (before.opensAtMs < wave.opensAtMs && before.percentage < wave.percentage)
        );
      }),
    'waves must open later and reach further, one by one',
  );

export const counterSchema = z
  .object({
    /** Hosts, each counted once, where it stands now: offered and silent so far, updated, failed, silent for too long. */
    offered: z.int().min(0),
    updated: z.int().min(0),
    failed: z.int().min(0),
    overdue: z.int().min(0),
    /** Events that only grow: how often a host came through, and how often one failed or became overdue. */
    successes: z.int().min(0),
    failures: z.int().min(0),
  })
  .readonly();

/** What the hosts did in a rollout, counted when their reports are stored. */
export type Counters = z.infer<typeof counterSchema>;

export const changeSchema = z
  .object({
    /** Unique for ever: a verb that is applied twice changes nothing the second time. */
    id: z.string(),
    verb: z.string(),
    at: instantSchema,
    by: z.string(),
    reason: z.string().nullable(),
    /** What was counted when the server decided by itself; null for what people do. */
    evidence: counterSchema.nullable(),
  })
  .readonly();

export const ROLLOUT_STATES = [
  'running',
  'paused',
  'halted',
  'withdrawn',
  'superseded',
  'rolled-back',
] as const;

/** The states in which the clock of a rollout runs. */
const MOVING: readonly string[] = ['running', 'rolled-back'];

export const rolloutSchema = z
  .object({
    id: z.string(),
    release: releaseRefSchema,
    policy: policySchema,
    /** Whether a host keeps its place in every rollout or gets a new one in each. */
    seeds: z.enum(['stable', 'shuffled']),
    state: z.enum(ROLLOUT_STATES),
    /**
     * Milliseconds on the rollout's clock at `runningSince`, or now if it stands still; negative before the start. Rolled
     * back, the clock began anew.
     */
    clockMs: z.int(),
    /** Set if and only if the clock runs. */
    runningSince: instantSchema.nullable(),
    /** How many openings, counted from the first, a person lets pass. */
    approvedOpenings: z.int().min(0),
    /** How many openings, counted from the first, the outcomes of hosts let pass. */
    passedOpenings: z.int().min(0),
    /** 1, and one more for each time that failed hosts were asked to try again. */
    attempt: z.int().min(1),
    /** What does not count for a halt any more, because a person saw it and went on. */
    forgiven: z.object({ successes: z.int().min(0), failures: z.int().min(0) }).readonly(),
    /** Where hosts that run the release are sent, in the waves of `policy`; null while the rollout goes forward. */
    sentBackTo: releaseRefSchema.nullable(),
    /** Every verb that made the rollout what it is, oldest first. */
    history: z.array(changeSchema).readonly(),
  })
  .readonly()
  .refine(
    ({ state, runningSince, sentBackTo }) =>
      MOVING.includes(state) === (runningSince !== null) &&
      (state === 'paused' || (state === 'rolled-back') === (sentBackTo !== null)),
    'state, runningSince and sentBackTo contradict each other',
  );

/** The act of giving a release to the fleet in waves: the whole of it, as the signed manifest carries it. */
export type Rollout = z.infer<typeof rolloutSchema>;
export type Change = z.infer<typeof changeSchema>;

/** The value that `JSON.stringify` turns into what `rolloutSchema` reads; the order of its keys is the format's. */
export function rolloutToJson(rollout: Rollout): Record<string, unknown> {
  return {
    ...rollout,
    runningSince: rollout.runningSince === null ? null : formatInstant(rollout.runningSince),
    history: rollout.history.map(changeToJson),
  };
}

export function changeToJson(change: Change): Record<string, unknown> {
  return { ...change, at: formatInstant(change.at) };
}

/** The rollouts in force for a variant and arch: of several for one version the last one started. */
export function currentRollouts(
  rollouts: readonly Rollout[],
  of: { readonly variant: string; readonly arch: string },
): readonly Rollout[] {
  return rollouts.filter(
    ({ release }, index) =>
      release.variant === of.variant &&
      release.arch === of.arch &&
      !rollouts.some((later, at) => at > index && isSameRelease(later.release, release)),
  );
}

/** Whether nobody is given the release any more, and nobody will be. */
export function isOver({ state, sentBackTo }: Pick<Rollout, 'state' | 'sentBackTo'>): boolean {
  return state === 'withdrawn' || state === 'superseded' || sentBackTo !== null;
}

export function isSamePolicy(a: Policy, b: Policy): boolean {
  // The schema gives both the same order of keys.
  const [one, other] = [a, b].map((policy) => JSON.stringify(policySchema.parse(policy)));
  return one === other;
}

export function isSameRelease(a: ReleaseRef, b: ReleaseRef): boolean {
  return a.variant === b.variant && a.arch === b.arch && a.version === b.version;
}
