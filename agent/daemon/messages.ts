import * as z from 'zod/mini';

/** The command that is a worker. */
export const WORKER = 'worker';

/** What the daemon asks its worker for; a connection comes with its handle. */
export const toWorkerSchema = z.object({ kind: z.enum(['cycle', 'connection']) });
export type ToWorker = z.infer<typeof toWorkerSchema>;

const cycleEndSchema = z.object({
  isFailed: z.boolean(),
  /** What a server said of when to come again; null if it did not. */
  nextCheckInSeconds: z.nullable(z.number()),
  /** How long a server that took no check-in asks to be left alone. */
  retryAfterSeconds: z.nullable(z.number()),
  /** The agent's own pace. */
  pollMs: z.number(),
});

const readySchema = z.object({
  kind: z.literal('ready'),
  stateFolder: z.string(),
  /** Where to listen for callers of the API; null if nowhere. */
  api: z.nullable(z.object({ socket: z.string(), mode: z.number() })),
});

const refusedSchema = z.object({
  kind: z.literal('refused'),
  code: z.string(),
  message: z.string(),
  hints: z.array(z.string()),
});

export const fromWorkerSchema = z.discriminatedUnion('kind', [
  readySchema,
  /** It cannot work, mostly for what is wrong with the configuration; it ends. */
  refusedSchema,
  z.object({ kind: z.literal('cycle-ended'), end: cycleEndSchema }),
  /** It has got the next of the connections that it was sent. */
  z.object({ kind: z.literal('connected') }),
  /** Nothing is under way of so many messages, which are all that it has got. */
  z.object({ kind: z.literal('idle'), taken: z.number() }),
]);
export type FromWorker = z.infer<typeof fromWorkerSchema>;
/** What of a cycle decides when the next one begins. */
export type CycleEnd = z.infer<typeof cycleEndSchema>;
export type Ready = z.infer<typeof readySchema>;
