import * as z from 'zod';

const targetSchema = z.object({
  /** Of this attempt, for ever: what is reported of it twice counts once. */
  id: z.string(),
  /** Null if somebody on the host gave the order. */
  rolloutId: z.string().nullable(),
  from: z.string(),
  to: z.string(),
  direction: z.enum(['forward', 'rollback']),
  /** Of the rollout: one more each time that failed hosts are asked to try again. */
  attempt: z.int().default(1),
});

/** What the agent is about to do: from which release to which, and by whose order. */
export type Target = z.infer<typeof targetSchema>;

const mishapSchema = z.object({
  stage: z.enum(['verify', 'install', 'activate', 'boot', 'health']),
  code: z.string(),
  message: z.string(),
});

/** What went wrong in an attempt. */
export type Mishap = z.infer<typeof mishapSchema>;

const failureSchema = mishapSchema.extend({
  to: z.string(),
  /** Of the rollout, when it failed. */
  attempt: z.int().default(1),
  /** Failures of this release in a row. */
  count: z.int(),
  /** Not before this time, in ms since the epoch, the release is tried again; null is not until something changes. */
  retryAtMs: z.int().nullable(),
});

/** The release that failed last on this host, and when it may be tried again. */
export type Failure = z.infer<typeof failureSchema>;

const outcomeSchema = z.object({ target: targetSchema, mishap: mishapSchema.nullable() });

/** How an attempt ended; without a mishap it came through. */
export type Outcome = z.infer<typeof outcomeSchema>;

const failure = failureSchema.nullable();
/** What is to be told to the server, until it is in the queue of reports. */
const outcome = outcomeSchema.nullable().default(null);
/** `reboots`: how often the agent asked the system to boot in this attempt. */
const underWay = { target: targetSchema, failure, reboots: z.int().default(0) };
/** Which boot of the system it is. */
const boot = { bootId: z.string() };

export const stateSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('idle'), failure, outcome }),
  /** The release is to be brought into the inactive slot, or is being written there. */
  z.object({ kind: z.literal('available'), ...underWay }),
  /** The inactive slot held the release when it was sealed; before it is activated it is read and asked for once more. */
  z.object({ kind: z.literal('staged'), ...underWay }),
  /** The last question was answered: the slot is being made the next to boot, or is, and the host may boot at any time. */
  z.object({ kind: z.literal('ready'), ...underWay, ...boot }),
  /** The agent asked the system to boot. */
  z.object({ kind: z.literal('rebooting'), ...underWay, ...boot }),
  /** The host runs the release, on trial until its health is proven. */
  z.object({ kind: z.literal('confirming'), ...underWay }),
  /** The release failed after it was activated: the host is back on the one before, or on its way there. */
  z.object({
    kind: z.literal('fallen-back'),
    ...underWay,
    mishap: mishapSchema,
    isBack: z.boolean(),
    outcome,
  }),
]);

/** Where the agent stands between two steps; kept in the journal, so that it goes on there after any interruption. */
export type AgentState = z.infer<typeof stateSchema>;

export const IDLE: AgentState = { kind: 'idle', failure: null, outcome: null };

/** Whether somebody on the host wants it, and no rollout. */
export function isByHand({ rolloutId }: Pick<Target, 'rolloutId'>): boolean {
  return rolloutId === null;
}
