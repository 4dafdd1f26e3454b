import { curveOf } from './curve.ts';
import { ExpectedError } from './errors.ts';
import { currentRollouts, isSameRelease } from './rollout.ts';
import type { Change, ReleaseRef, Rollout } from './rollout.ts';
import { clockAt, closedGate } from './tide.ts';
import type { Policy } from './wave.ts';

export type RolloutErrorCode =
  /** No rollout has this id. */
  | 'rollout/not-there'
  /** The verb makes no sense in the rollout's state; the message says which verbs do. */
  | 'rollout/illegal'
  /** The release already has a rollout that is not withdrawn or rolled back. */
  | 'rollout/exists'
  /** The release's signed document does not name the version to go back to. */
  | 'rollout/not-permitted'
  /** A verb that stops or reverses came without a reason. */
  | 'rollout/reason';

export class RolloutError extends ExpectedError<RolloutErrorCode> {}

export type VerbKind = 'start' | 'pause' | 'resume' | 'advance' | 'withdraw' | 'roll-back';

/** Who asks, when and why. `id` is unique for ever; applying a verb twice equals applying it once. */
export type VerbOrigin = Omit<Change, 'verb'>;

/** What an operator does to a rollout: one pure edit of the rollouts in the manifest. */
export type Verb = VerbOrigin & { readonly rolloutId: string } & (
    | {
        readonly kind: 'start';
        readonly release: ReleaseRef;
        readonly policy: Policy;
        /** The zero of the rollout's clock; after `at` the rollout is scheduled. */
        readonly startAt: Date;
        readonly seeds: Rollout['seeds'];
      }
    | { readonly kind: 'pause' | 'resume' | 'advance' | 'withdraw' }
    | { readonly kind: 'roll-back'; readonly to: ReleaseRef }
  );

const NEEDS_REASON: readonly VerbKind[] = ['pause', 'withdraw', 'roll-back'];

/** The verbs that a rollout takes at this moment; `start` is for releases, not for rollouts. */
export function legalVerbs(rollout: Rollout, now: Date): readonly VerbKind[] {
  const advance = nextStep(rollout, now) === null ? [] : (['advance'] as const);
  switch (rollout.state) {
    case 'running':
      return ['pause', ...advance, 'withdraw', 'roll-back'];
    case 'paused':
    case 'halted':
      return ['resume', ...advance, 'withdraw', 'roll-back'];
    case 'withdrawn':
      return ['roll-back'];
    case 'rolled-back':
      return [];
  }
}

/** The rollouts after the verb. Throws RolloutError and changes nothing if the verb is not legal. */
export function applyVerb(rollouts: readonly Rollout[], verb: Verb): readonly Rollout[] {
  if (rollouts.some(({ history }) => history.some(({ id }) => id === verb.id))) return rollouts;
  if (NEEDS_REASON.includes(verb.kind) && (verb.reason ?? '').trim() === '') {
    throw new RolloutError(
      'rollout/reason',
      `${verb.kind} ${verb.rolloutId}: a reason is required`,
    );
  }
  if (verb.kind === 'start') return [...rollouts, started(rollouts, verb)];
  const before = rollouts.find(({ id }) => id === verb.rolloutId);
  if (before === undefined) {
    throw new RolloutError('rollout/not-there', `no rollout has the id ${verb.rolloutId}`);
  }
  const after = {
    ...changed(rollouts, before, verb),
    history: [...before.history, toChange(verb)],
  };
  return rollouts.map((rollout) => (rollout === before ? after : rollout));
}

function started(rollouts: readonly Rollout[], verb: Verb & { kind: 'start' }): Rollout {
  const { release } = verb;
  const rival = currentRollouts(rollouts, release).find((rollout) =>
    isSameRelease(rollout.release, release),
  );
  if (rival !== undefined && rival.state !== 'withdrawn' && rival.state !== 'rolled-back') {
    throw new RolloutError(
      'rollout/exists',
      `${release.variant} ${release.arch} ${release.version} is already rolled out by ${rival.id}, which is ${rival.state}`,
    );
  }
  if (rollouts.some(({ id }) => id === verb.rolloutId)) {
    throw new RolloutError('rollout/exists', `rollout ${verb.rolloutId} exists`);
  }
  return {
    id: verb.rolloutId,
    release,
    policy: verb.policy,
    seeds: verb.seeds,
    state: 'running',
    clockMs: verb.at.getTime() - verb.startAt.getTime(),
    runningSince: verb.at,
    approvedOpenings: 0,
    sentBackTo: null,
    history: [toChange(verb)],
  };
}

function changed(
  rollouts: readonly Rollout[],
  rollout: Rollout,
  verb: Exclude<Verb, { kind: 'start' }>,
): Rollout {
  const at = notBefore(verb.at, rollout);
  // A rollout that a later one of the same release replaced is history.
  const isCurrent = currentRollouts(rollouts, rollout.release).includes(rollout);
  const legal = isCurrent ? legalVerbs(rollout, at) : [];
  if (!legal.includes(verb.kind)) throw illegal(rollout, verb.kind, legal);
  const standing = { clockMs: clockAt(rollout, at), runningSince: null };
  switch (verb.kind) {
    case 'pause':
      return { ...rollout, ...standing, state: 'paused' };
    case 'resume':
      return { ...rollout, state: 'running', runningSince: at };
    case 'advance':
      return {
        ...rollout,
        ...nextStep(rollout, at),
        runningSince: rollout.runningSince === null ? null : at,
      };
    case 'withdraw':
      return { ...rollout, ...standing, state: 'withdrawn' };
    case 'roll-back':
      return {
        ...rollout,
        ...standing,
        state: 'rolled-back',
        sentBackTo: permitted(rollout, verb.to),
      };
  }
}

/** One step forward: through the gate it waits at, to the next opening, or to the end of the last ramp. */
function nextStep(
  rollout: Rollout,
  now: Date,
): Pick<Rollout, 'clockMs' | 'approvedOpenings'> | null {
  const { openings, points } = curveOf(rollout.policy);
  const clockMs = clockAt(rollout, now);
  const gate = closedGate(rollout);
  if (gate !== null && clockMs >= gate.atMs) {
    return { clockMs, approvedOpenings: gate.index + 1 };
  }
  const ahead = [...openings, ...points.slice(-1)].find(({ atMs }) => atMs > clockMs);
  if (ahead === undefined) return null;
  return { clockMs: ahead.atMs, approvedOpenings: rollout.approvedOpenings };
}

function permitted(rollout: Rollout, to: ReleaseRef): ReleaseRef {
  const { release } = rollout;
  const isPermitted =
    to.variant === release.variant &&
    to.arch === release.arch &&
    release.rollbackTo.includes(to.version);
  if (!isPermitted) {
    const named = release.rollbackTo.length === 0 ? 'none' : release.rollbackTo.join(', ');
    throw new RolloutError(
      'rollout/not-permitted',
      `release ${release.version} may not go back to ${to.version}: its signed document names ${named}`,
    );
  }
  return to;
}

function illegal(rollout: Rollout, kind: VerbKind, legal: readonly VerbKind[]): RolloutError {
  const choice = legal.length === 0 ? 'no verb is legal any more' : `legal: ${legal.join(', ')}`;
  return new RolloutError(
    'rollout/illegal',
    `cannot ${kind} rollout ${rollout.id}, which is ${rollout.state}; ${choice}`,
  );
}

/** Two clocks may disagree by a little: a verb never takes effect before the one that it follows. */
function notBefore(at: Date, { history }: Rollout): Date {
  const latestMs = Math.max(at.getTime(), ...history.map((change) => change.at.getTime()));
  return new Date(latestMs);
}

function toChange(verb: Verb): Change {
  return { id: verb.id, verb: verb.kind, at: verb.at, by: verb.by, reason: verb.reason };
}
