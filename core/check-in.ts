import * as z from 'zod';
import type { Decision } from './decide.ts';
import { formatInstant } from './instant.ts';
import { SEED_COUNT } from './seed.ts';
import { isVersion } from './version.ts';

/** No control characters and no lone surrogates: databases store them differently or not at all. */
const text = z.string().regex(/^[^\p{C}]*$/u, 'must not hold control characters');
const name = text.min(1).max(128);
const version = z.string().max(128).refine(isVersion, 'must be a semantic version');

export const reportSchema = z.strictObject({
  /** Made by the agent, unique on its host: the same report sent twice counts once. */
  id: name,
  rolloutId: name,
  from: version,
  to: version,
  outcome: z.enum(['updated', 'failed', 'rolled-back']),
  /** The step of the install that the outcome belongs to. */
  stage: name,
  error: z.string().max(2000).optional(),
  at: z.iso.datetime({ offset: true }),
});

/** The longest that an agent waits until it tries a release again that failed. */
export const LONGEST_RETRY_SECONDS = 86_400;

/** The body of `POST /api/v1/check-in`. */
export const checkInSchema = z.strictObject({
  host: z.strictObject({
    id: name,
    variant: name,
    arch: name,
    version,
    seed: z
      .int()
      .min(0)
      .max(SEED_COUNT - 1)
      .optional(),
    group: name.optional(),
    labels: z.record(name, text.max(256)).optional(),
  }),
  /** The agent's state: `staged` asks whether it may still activate. */
  state: z.enum(['idle', 'available', 'staged', 'ready', 'confirming', 'fallen-back']),
  reports: z.array(reportSchema).max(100).optional(),
  /**
   * Releases that failed on the host and that it does not try now: in this attempt of their rollout or an earlier one, for so
   * long, or at all. Each version once.
   */
  failed: z
    .array(
      z.strictObject({
        version,
        attempt: z.int().min(1),
        retryAfterSeconds: z.int().min(1).max(LONGEST_RETRY_SECONDS).optional(),
      }),
    )
    .max(32)
    .optional(),
});

export type CheckIn = z.infer<typeof checkInSchema>;
export type Report = z.infer<typeof reportSchema>;

const nextCheckInSeconds = z.int().min(1).max(86_400);

/** The answer to a check-in as the agent reads it: a hint, never an authority. */
export const checkInAnswerSchema = z.discriminatedUnion('decision', [
  z.object({
    decision: z.literal('update'),
    release: z.object({ version, document: z.string() }),
    rolloutId: name,
    direction: z.enum(['forward', 'rollback']),
    nextCheckInSeconds,
  }),
  z.object({
    decision: z.literal('stay'),
    reason: z.string(),
    eligibleAt: z.iso.datetime({ offset: true }).optional(),
    nextCheckInSeconds,
  }),
]);

export type CheckInAnswer = z.infer<typeof checkInAnswerSchema>;

export function checkInAnswer(decision: Decision, seconds: number): CheckInAnswer {
  if (decision.decision === 'update') {
    const { release, rolloutId, direction } = decision;
    return {
      decision: 'update',
      release: { version: release.version, document: release.document },
      rolloutId,
      direction,
      nextCheckInSeconds: seconds,
    };
  }
  return {
    decision: 'stay',
    reason: decision.reason,
    ...(decision.eligibleAt === null ? {} : { eligibleAt: formatInstant(decision.eligibleAt) }),
    nextCheckInSeconds: seconds,
  };
}
