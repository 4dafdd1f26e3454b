import { z } from 'zod';
import { reportSchema } from './check-in.ts';
import { ROLLOUT_STATES } from './rollout.ts';

/** What `GET /api/v1/events` tells, by the name of the event. */
export const eventSchemas = {
  /** A rollout began or changed by a verb; its tide rises without events. */
  rollout: z.object({
    rolloutId: z.string(),
    variant: z.string(),
    arch: z.string(),
    version: z.string(),
    state: z.enum(ROLLOUT_STATES),
    /** The last verb, and who did it. */
    verb: z.string(),
    by: z.string(),
    reason: z.string().nullable(),
  }),
  /** The repository was committed to, by whomever. */
  commit: z.object({ timestamp: z.int(), snapshot: z.int() }),
  /** A host told how an update ended; a report that is sent again may be told again. */
  report: z.object({
    hostId: z.string(),
    rolloutId: z.string(),
    from: z.string(),
    to: z.string(),
    outcome: reportSchema.shape.outcome,
    stage: z.string(),
    error: z.string().nullable(),
  }),
  /** A background job of the server fails, or works again. */
  job: z.object({ job: z.string(), works: z.boolean() }),
  /** The client missed events, how many nobody knows: it must read again what it shows. */
  reset: z.object({}),
} as const;

export type EventName = keyof typeof eventSchemas;
export type EventData = { readonly [Name in EventName]: z.infer<(typeof eventSchemas)[Name]> };
