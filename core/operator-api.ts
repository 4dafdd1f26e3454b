import { z } from 'zod';
import { auditEntrySchema, chainHeadSchema } from './audit.ts';
import { rolloutViewSchema } from './rollout-view.ts';

/** Unique for ever, made by the caller: a request that is sent twice is carried out once. */
const requestId = z.string().min(8).max(64);
const reason = z.string().max(2000);
const policyText = z.string().max(100_000);

/** Body of `POST /api/v1/rollouts`. `policy` is the text of a wave policy file; without it everyone at once. */
export const startRequestSchema = z.strictObject({
  requestId,
  variant: z.string(),
  arch: z.string(),
  version: z.string(),
  policy: policyText.optional(),
  startAt: z.iso.datetime({ offset: true }).optional(),
  seeds: z.enum(['stable', 'shuffled']).optional(),
  reason: reason.optional(),
});
export type StartRequest = z.infer<typeof startRequestSchema>;

/** Body of `POST /api/v1/rollouts/{id}/{verb}` for each of SIMPLE_VERBS; those that stop need the reason. */
export const changeRequestSchema = z.strictObject({ requestId, reason: reason.optional() });
export type ChangeRequest = z.infer<typeof changeRequestSchema>;

/** Body of `POST /api/v1/rollouts/{id}/roll-back`. */
export const rollBackRequestSchema = z.strictObject({
  requestId,
  to: z.string(),
  /** The text of a wave policy file, whose clock begins now; without it everyone goes back at once. */
  policy: policyText.optional(),
  reason: reason.optional(),
});
export type RollBackRequest = z.infer<typeof rollBackRequestSchema>;

/** Body of `POST /api/v1/rollouts/{id}/roll-back/impact`, which changes nothing. */
export const rollBackImpactRequestSchema = rollBackRequestSchema.pick({ to: true, policy: true });
export type RollBackImpactRequest = z.infer<typeof rollBackImpactRequestSchema>;

/** Body of `PUT /api/v1/fleet`: all rules, as the file spells them. */
export const applyFleetRequestSchema = z.strictObject({
  requestId,
  rules: z.record(z.string(), z.unknown()),
  reason: reason.optional(),
});
export type ApplyFleetRequest = z.infer<typeof applyFleetRequestSchema>;

/** Answer of `GET` and `PUT /api/v1/fleet` as it stands in JSON: the rules as the file spells them, and who made them so. */
export const fleetAnswerSchema = z.object({
  rules: z.record(z.string(), z.unknown()),
  history: z.array(
    z.object({
      ...{ id: z.string(), verb: z.string(), at: z.string(), by: z.string() },
      reason: z.string().nullable(),
      evidence: z.null(),
    }),
  ),
});

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

/** Entries of the audit log in one answer, at most. */
export const MAX_AUDIT_PAGE = 500;

const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number);

/** Query of `GET /api/v1/audit`: entries behind the sequence `after`, the oldest first. */
export const auditQuerySchema = z.strictObject({
  after: wholeNumber.default(0),
  limit: wholeNumber.pipe(z.int().min(1).max(MAX_AUDIT_PAGE)).default(100),
});

/** Answer of `GET /api/v1/audit`. Whether the log holds together is not looked at: that is the reader's to find. */
export const auditPageSchema = z.object({
  entries: z.array(auditEntrySchema),
  /** The last entry of the whole log; null before the first one. */
  head: chainHeadSchema.nullable(),
  /** The head that the signed manifest names, as the server knows it. */
  signed: chainHeadSchema.nullable(),
});
export type AuditPage = z.infer<typeof auditPageSchema>;

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
