import { z } from 'zod';
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

const waveSchema = z
  .object({
    opensAtMs: z.int(),
    percentage: z.int().min(1).max(100),
    gate: z
      .discriminatedUnion('kind', [
        z.object({ kind: z.literal('approval') }).readonly(),
        z.object({ kind: z.literal('soak'), soakMs: z.int().min(0) }).readonly(),
      ])
      .nullable(),
    rampMs: z.int().min(0),
  })
  .readonly();

/** A resolved policy: waves in strictly rising order of opening and percentage. */
export const policySchema: z.ZodType<Policy> = z
  .object({ waves: z.array(waveSchema).min(1).readonly() })
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

export const changeSchema = z
  .object({
    /** Unique for ever: a verb that is applied twice changes nothing the second time. */
    id: z.string(),
    verb: z.string(),
    at: instantSchema,
    by: z.string(),
    reason: z.string().nullable(),
  })
  .readonly();

export const ROLLOUT_STATES = ['running', 'paused', 'halted', 'withdrawn', 'rolled-back'] as const;

export const rolloutSchema = z
  .object({
    id: z.string(),
    release: releaseRefSchema,
    policy: policySchema,
    /** Whether a host keeps its place in every rollout or gets a new one in each. */
    seeds: z.enum(['stable', 'shuffled']),
    state: z.enum(ROLLOUT_STATES),
    /** Milliseconds on the rollout's clock at `runningSince`, or now if it stands still; negative before the start. */
    clockMs: z.int(),
    /** Set if and only if the state is `running`. */
    runningSince: instantSchema.nullable(),
    /** How many openings, counted from the first, stand open whatever their gates ask. */
    approvedOpenings: z.int().min(0),
    /** Where hosts that run the release are sent; set if and only if the state is `rolled-back`. */
    sentBackTo: releaseRefSchema.nullable(),
    /** Every verb that made the rollout what it is, oldest first. */
    history: z.array(changeSchema).readonly(),
  })
  .readonly()
  .refine(
    (rollout) =>
      (rollout.state === 'running') === (rollout.runningSince !== null) &&
      (rollout.state === 'rolled-back') === (rollout.sentBackTo !== null),
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

export function isSameRelease(a: ReleaseRef, b: ReleaseRef): boolean {
  return a.variant === b.variant && a.arch === b.arch && a.version === b.version;
}
