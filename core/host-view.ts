import { z } from 'zod';

const name = z.string().max(128);

/** Query of `GET /api/v1/hosts`: all of what is given must hold of a host. */
export const hostQuerySchema = z.strictObject({
  variant: name.optional(),
  arch: name.optional(),
  version: name.optional(),
  group: name.optional(),
  /** The agent's state at its last check-in. */
  state: name.optional(),
  /** `name=value`; given several times, the host has all of them. */
  label: z
    .union([z.string(), z.array(z.string()).max(16)])
    .optional()
    .transform((label) => [label ?? []].flat())
    .pipe(
      z.array(
        z
          .string()
          .max(400)
          .regex(/^[^=]{1,128}=/, 'must be like zone=a'),
      ),
    ),
  rolloutId: name.optional(),
  /** Where the host stands in the rollout `rolloutId`. */
  progress: z.enum(['offered', 'updated', 'failed', 'overdue', 'rolled-back']).optional(),
  idPrefix: name.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** `next` of the page before, with the same filter. */
  cursor: z.string().max(2000).optional(),
  format: z.enum(['json', 'csv']).optional(),
});
export type HostQuery = z.infer<typeof hostQuerySchema>;

/** A host as it described itself in its last check-in. */
export const hostViewSchema = z.object({
  id: z.string(),
  variant: z.string(),
  arch: z.string(),
  version: z.string(),
  seed: z.int(),
  group: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  state: z.string(),
  firstSeen: z.string(),
  lastSeen: z.string(),
});
export type HostView = z.infer<typeof hostViewSchema>;

/** Body of `GET /api/v1/hosts`, in ascending order of id; `next` is the cursor of the next page, null at the end. */
export const hostPageSchema = z.object({
  hosts: z.array(hostViewSchema),
  next: z.string().nullable(),
});
export type HostPage = z.infer<typeof hostPageSchema>;

/** Body of `GET /api/v1/hosts/{id}`: what is known of a host, and what it would be told now. */
export const hostAnswerSchema = z.object({
  host: hostViewSchema,
  decision: z.discriminatedUnion('decision', [
    z.object({
      decision: z.literal('update'),
      rolloutId: z.string(),
      direction: z.enum(['forward', 'rollback']),
      version: z.string(),
    }),
    z.object({
      decision: z.literal('stay'),
      reason: z.string(),
      rolloutId: z.string().nullable(),
      eligibleAt: z.string().nullable(),
    }),
  ]),
});
export type HostAnswer = z.infer<typeof hostAnswerSchema>;
