import { z } from 'zod';

const targetSchema = z.object({
  /** Of this attempt, for ever: what is reported of it twice counts once. */
  id: z.string(),
  rolloutId: z.string(),
  from: z.string(),
  to: z.string(),
  direction: z.enum(['forward', 'rollback']),
  /** Of the rollout: one more each time that failed hosts are asked to try again. */
  attempt: z.int().default(1),
});

/** What the agent is about to do: from which release to which, and by whose order. */
export type Target = z.infer<typeof targetSchema>;

const failureSchema = z.object({
  to: z.string(),
  /** Of the rollout, when it failed. */
  attempt: z.int().default(1),
  stage: z.string(),
  code: z.string(),
  message: z.string(),
  /** Failures of this release in a row. */
  count: z.int(),
  /** Not before this time, in ms since the epoch, the release is tried again. */
  retryAtMs: z.int(),
});
export type Failure = z.infer<typeof failureSchema>;

export const stateSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('idle'), failure: failureSchema.nullable() }),
  /** The inactive slot is being written. */
  z.object({
    kind: z.literal('available'),
    target: targetSchema,
    failure: failureSchema.nullable(),
  }),
  /** The inactive slot holds the release, sealed; the last question is open. */
  z.object({ kind: z.literal('staged'), target: targetSchema }),
  /** The last question was answered; the slot is being made active, or is. */
  z.object({ kind: z.literal('confirming'), target: targetSchema }),
]);

/** Where the agent stands between two steps; kept in the journal, so that it goes on there after any interruption. */
export type AgentState = z.infer<typeof stateSchema>;

export type AgentEvent =
  | { readonly kind: 'offered'; readonly target: Target }
  | { readonly kind: 'sealed' }
  | { readonly kind: 'allowed' }
  /** The agent was started, and the host runs this version. */
  | { readonly kind: 'started'; readonly running: string }
  | { readonly kind: 'confirmed' }
  | {
      readonly kind: 'failed';
      readonly failure: Omit<Failure, 'count' | 'retryAtMs'>;
      readonly nowMs: number;
    };

const FIRST_RETRY_MS = 10_000;
const LONGEST_RETRY_MS = 24 * 3_600_000;

export const IDLE: AgentState = { kind: 'idle', failure: null };

/** The state after an event. An event that makes no sense in a state leaves it as it is. */
export function next(state: AgentState, event: AgentEvent): AgentState {
  switch (event.kind) {
    case 'offered':
      return state.kind === 'confirming'
        ? state
        : { kind: 'available', target: event.target, failure: failureOf(state) };
    case 'sealed':
      return state.kind === 'available' ? { kind: 'staged', target: state.target } : state;
    case 'allowed':
      return state.kind === 'staged' ? { kind: 'confirming', target: state.target } : state;
    case 'started':
      return afterStart(state, event.running);
    case 'confirmed':
      return state.kind === 'confirming' ? IDLE : state;
    case 'failed':
      return { kind: 'idle', failure: counted(failureOf(state), event) };
  }
}

/** A half-written slot proves nothing, a sealed one does, and where the host runs the target the flip took place. */
function afterStart(state: AgentState, running: string): AgentState {
  switch (state.kind) {
    case 'idle':
      return state;
    case 'available':
      return { kind: 'idle', failure: state.failure };
    case 'staged':
      return running === state.target.from ? state : IDLE;
    case 'confirming':
      if (running === state.target.to) return state;
      // Killed between the permission and the flip: the question is asked again.
      return running === state.target.from ? { kind: 'staged', target: state.target } : IDLE;
  }
}

/** False while a release that failed here must wait; a later attempt of its rollout ends the wait. */
export function mayTry(
  state: AgentState,
  { to, attempt }: Pick<Target, 'to' | 'attempt'>,
  nowMs: number,
): boolean {
  const failure = failureOf(state);
  if (failure === null || failure.to !== to) return true;
  return attempt > failure.attempt || nowMs >= failure.retryAtMs;
}

function failureOf(state: AgentState): Failure | null {
  return state.kind === 'idle' || state.kind === 'available' ? state.failure : null;
}

function counted(
  before: Failure | null,
  { failure, nowMs }: Extract<AgentEvent, { kind: 'failed' }>,
): Failure {
  const count = before?.to === failure.to ? before.count + 1 : 1;
  const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (count - 1));
  return { ...failure, count, retryAtMs: nowMs + waitMs };
}
