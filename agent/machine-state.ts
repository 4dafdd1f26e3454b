import * as z from 'zod';

const targetSchema = z.object({
  /** Of this attempt, for ever: what is reported of it twice counts once. */
  id: z.string(),
  /** Null if somebody on the host gave the order, or nobody knows who did. */
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

/** A release that failed on this host, and when it may be tried again. */
export type Failure = z.infer<typeof failureSchema>;

const outcomeSchema = z.object({ target: targetSchema, mishap: mishapSchema.nullable() });

/** How an attempt ended; without a mishap it came through. */
export type Outcome = z.infer<typeof outcomeSchema>;

/** One of each release, the latest last. */
const failures = z.array(failureSchema).readonly().default([]);
/** What is to be told to the server, until it is in the queue of reports. */
const outcome = outcomeSchema.nullable().default(null);
/** `reboots`: how many boots of the system the agent asked for in this attempt. */
const underWay = { target: targetSchema, failures, reboots: z.int().default(0) };
/** Which boot of the system it is. */
const boot = { bootId: z.string() };
/** What somebody has still to hear of: that the boot does not come now, or that the release does not. */
const calledOff = z.enum(['no', 'boot', 'release']).default('no');

export const stateSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('idle'), failures, outcome }),
  /** The release is to be brought into the inactive slot, or is being written there. */
  z.object({ kind: z.literal('available'), ...underWay }),
  /** The inactive slot held the release when it was sealed; before it is activated it is read and asked for once more. */
  z.object({ kind: z.literal('staged'), ...underWay }),
  /** The slot is being made the next to boot, or is, and the host may boot at any time; called off it is being taken back. */
  z.object({ kind: z.literal('ready'), ...underWay, ...boot, calledOff }),
  /** The agent asked the system to boot, in that boot and at that time. */
  z.object({
    kind: z.literal('rebooting'),
    ...underWay,
    ...boot,
    orderedAtMs: z.int().default(0),
  }),
  /** The host runs the release, on trial until its health is proven. */
  z.object({ kind: z.literal('confirming'), ...underWay }),
  /** The release failed after it was activated: the host is back on the one before, or on its way there. */
  z.object({
    kind: z.literal('fallen-back'),
    ...underWay,
    mishap: mishapSchema,
    isBack: z.boolean(),
    /** When it was given up. */
    sinceMs: z.int().default(0),
    /** In which boot of the system, and when, the agent asked for the boot back; null if there is no such order. */
    ordered: z
      .object({ ...boot, atMs: z.int() })
      .nullable()
      .default(null),
    /** The host was booted as often as the agent may ask for it, and runs the release that was given up. */
    isStuck: z.boolean().default(false),
    calledOff,
    outcome,
  }),
]);

/** Where the agent stands between two steps; kept in the journal, so that it goes on there after any interruption. */
export type AgentState = z.infer<typeof stateSchema>;
export type StateOf<K extends AgentState['kind']> = Extract<AgentState, { readonly kind: K }>;

export const IDLE: AgentState = { kind: 'idle', failures: [], outcome: null };

/** Whether no rollout wants it, but somebody on the host. */
export function isByHand({ rolloutId }: Pick<Target, 'rolloutId'>): boolean {
  return rolloutId === null;
}

/** Whether the host still runs the release that was given up. */
export function isOnWayBack(state: AgentState): state is StateOf<'fallen-back'> {
  return state.kind === 'fallen-back' && !state.isBack;
}
