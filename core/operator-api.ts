import { z } from 'zod';
import { rolloutViewSchema } from './rollout-view.ts';

/** Unique for ever, made by the caller: a request that is sent twice is carried out once. */
const requestId = z.string().min(8).max(64);
const reason = z.string().max(2000);

/** Body of `POST /api/v1/rollouts`. `policy` is the text of a wave policy file; without it everyone at once. */
export const startRequestSchema = z.strictObject({
  requestId,
  variant: z.string(),
  arch: z.string(),
  version: z.string(),
  policy: z.string().max(100_000).optional(),
  startAt: z.iso.datetime({ offset: true }).optional(),
  seeds: z.enum(['stable', 'shuffled']).optional(),
  reason: reason.optional(),
});
export type StartRequest = z.infer<typeof startRequestSchema>;

export const CHANGES = ['pause', 'resume', 'advance', 'withdraw'] as const;
export type ChangeKind = (typeof CHANGES)[number];

/** Body of `POST /api/v1/rollouts/{id}/{pause|resume|advance|withdraw}`; pause and withdraw need the reason. */
export const changeRequestSchema = z.strictObject({ requestId, reason: reason.optional() });
export type ChangeRequest = z.infer<typeof changeRequestSchema>;

/** Body of `POST /api/v1/rollouts/{id}/roll-back`. */
export const rollBackRequestSchema = z.strictObject({
  requestId,
  to: z.string(),
  reason: reason.optional(),
});
export type RollBackRequest = z.infer<typeof rollBackRequestSchema>;

/** Body of `PUT /api/v1/fleet`: all rules, as the file spells them. */
export const applyFleetRequestSchema = z.strictObject({
  requestId,
  rules: z.record(z.string(), z.unknown()),
  reason: reason.optional(),
});
export type ApplyFleetRequest = z.infer<typeof applyFleetRequestSchema>;

/** Body of `GET /api/v1/rollouts`, oldest rollout first. */
export const rolloutListSchema = z.object({ rollouts: z.array(rolloutViewSchema) });

/** Answer of `POST /api/v1/repository/refresh`: the timestamp that the server knows now, and whether that is news. */
export const refreshAnswerSchema = z.object({ changed: z.boolean(), timestamp: z.int() });

/** Body of `POST /api/v1/repository/commit`: a signed role file that is in the storage and is to be published. */
export const commitRequestSchema = z.strictObject({
  /** `releases-<variant>-<arch>`. */
  role: z.string().max(200),
  version: z.int().min(1),
  /** The published version that the file was made on top of; if another one is published by now, it is refused. */
  after: z.int().min(0),
  /** Of the file, in hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits'),
});
export type CommitRequest = z.infer<typeof commitRequestSchema>;

/** The versions that are published now; `changed` is false if the file was published before. */
export const commitAnswerSchema = z.object({
  changed: z.boolean(),
  snapshot: z.int(),
  timestamp: z.int(),
});
export type CommitAnswer = z.infer<typeof commitAnswerSchema>;

/** Every error of the API (RFC 9457); `code` is the stable name of what went wrong. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  hints: z.array(z.string()).optional(),
});
export type Problem = z.infer<typeof problemSchema>;
