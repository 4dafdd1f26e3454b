import { uncovered } from './cover.ts';
import { ExpectedError } from './errors.ts';
import { NO_RULES } from './fleet/rules.ts';
import type { FleetRules } from './fleet/rules.ts';
import { currentRollouts, isOver, isSamePolicy, isSameRelease } from './rollout.ts';
import type { Change, Counters, ReleaseRef, Rollout } from './rollout.ts';
import { approval, nextStep, passing } from './steps.ts';
import { clockAt } from './tide.ts';
import { asksForSuccess } from './wave.ts';
import type { Policy } from './wave.ts';

export type RolloutErrorCode =
  /** No rollout has this id. */
  | 'rollout/not-there'
  /** The verb makes no sense in the rollout's state; the message says which verbs do. */
  | 'rollout/illegal'
  /** The release already has a rollout that is not over. */
  | 'rollout/exists'
  /** The release's signed document does not name the version to go back to. */
  | 'rollout/not-permitted'
  /** No newer rollout lets through all hosts that this one does, or the rules of the fleet keep some from it. */
  | 'rollout/not-covered'
  /** The policy asks for what a way back does not have. */
  | 'rollout/policy'
  /** Somebody has replaced the rules of the fleet that the verb is to replace. */
  | 'rollout/other-rules'
  /** A verb that stops or reverses came without a reason. */
  | 'rollout/reason';

export class RolloutError extends ExpectedError<RolloutErrorCode> {}

/** What people do without saying more. */
export const SIMPLE_VERBS = [
  'pause',
  'resume',
  'advance',
  'approve',
  'retry',
  'withdraw',
  'supersede',
] as const;
export type SimpleVerb = (typeof SIMPLE_VERBS)[number];

export type VerbKind = 'start' | SimpleVerb | 'roll-back' | 'halt' | 'pass-gate';

/** Who asks, when and why. `id` is unique for ever; applying a verb twice equals applying it once. */
export type VerbOrigin = Omit<Change, 'verb' | 'evidence'>;

/** What is done to a rollout: one pure edit of the rollouts in the manifest. */
export type Verb = VerbOrigin & { readonly rolloutId: string } & (
    | {
        readonly kind: 'start';
        readonly release: ReleaseRef;
        readonly policy: Policy;
        /** The zero of the rollout's clock; after `at` the rollout is scheduled. */
        readonly startAt: Date;
        readonly seeds: Rollout['seeds'];
      }
    | { readonly kind: SimpleVerb }
    | {
        readonly kind: 'roll-back';
        readonly to: ReleaseRef;
        /** The waves in which hosts go back; its clock begins with the verb. */
        readonly policy: Policy;
      }
    /** By the server alone. */
    | { readonly kind: 'halt'; readonly evidence: Counters }
    | { readonly kind: 'pass-gate'; readonly opening: number; readonly evidence: Counters }
  );

/** How often failed hosts can be asked to try again. */
export const MAX_ATTEMPTS = 5;

/** The verbs that stop or reverse: whoever reads the history later wants to know why. */
export const NEEDS_REASON: readonly VerbKind[] = ['pause', 'withdraw', 'supersede', 'roll-back'];

/**
 * The verbs that people may give to a rollout at this moment; `start` is for releases, not for rollouts. `supersede` is
 * still refused if no newer rollout covers as much.
 */
export function legalVerbs(rollout: Rollout, now: Date): readonly VerbKind[] {
  const steps: VerbKind[] = [];
  if (nextStep(rollout, now) !== null) steps.push('advance');
  if (approval(rollout, now) !== null) steps.push('approve');
  if (isOver(rollout)) return legalWhenOver(rollout, steps);
  if (rollout.attempt < MAX_ATTEMPTS) steps.push('retry');
  const brake = rollout.state === 'running' ? 'pause' : 'resume';
  return [brake, ...steps, 'withdraw', 'supersede', 'roll-back'];
}

function legalWhenOver({ state }: Rollout, steps: readonly VerbKind[]): readonly VerbKind[] {
  if (state === 'rolled-back') return ['pause', ...steps, 'roll-back'];
  return state === 'paused' ? ['resume', ...steps, 'roll-back'] : ['roll-back'];
}

/** The rollouts after the verb, under these rules. Throws RolloutError and changes nothing if the verb is not legal. */
export function applyVerb(
  rollouts: readonly Rollout[],
  verb: Verb,
  rules: FleetRules = NO_RULES,
): readonly Rollout[] {
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
    ...before,
    ...changed(rollouts, before, verb, rules),
    history: [...before.history, toChange(verb)],
  };
  return rollouts.map((rollout) => (rollout === before ? after : rollout));
}

function started(rollouts: readonly Rollout[], verb: Verb & { kind: 'start' }): Rollout {
  const { release, policy } = verb;
  const rival = currentRollouts(rollouts, release).find((rollout) =>
    isSameRelease(rollout.release, release),
  );
  if (rival !== undefined && !isOver(rival)) {
    throw new RolloutError(
      'rollout/exists',
      `${release.variant} ${release.arch} ${release.version} is already rolled out by ${rival.id}, which is ${rival.state}`,
    );
  }
  if (rollouts.some(({ id }) => id === verb.rolloutId)) {
    throw new RolloutError('rollout/exists', `rollout ${verb.rolloutId} exists`);
  }
  if (policy.halt !== null && policy.halt.rollBackTo !== null) {
    requirePermitted(release, policy.halt.rollBackTo);
  }
  return {
    id: verb.rolloutId,
    release,
    policy,
    seeds: verb.seeds,
    state: 'running',
    clockMs: verb.at.getTime() - verb.startAt.getTime(),
    runningSince: verb.at,
    ...NOTHING_PASSED,
    attempt: 1,
    forgiven: { successes: 0, failures: 0 },
    sentBackTo: null,
    history: [toChange(verb)],
  };
}

const NOTHING_PASSED = { approvedOpenings: 0, passedOpenings: 0 };

function changed(
  rollouts: readonly Rollout[],
  rollout: Rollout,
  verb: Exclude<Verb, { kind: 'start' }>,
  rules: FleetRules,
): Partial<Rollout> {
  const at = notBefore(verb.at, rollout);
  // A rollout that a later one of the same release replaced is history.
  const isCurrent = currentRollouts(rollouts, rollout.release).includes(rollout);
  const legal = isCurrent ? legalVerbs(rollout, at) : [];
  const refuse = () => illegal(rollout, verb.kind, legal);
  const step = (change: Partial<Rollout> | null): Partial<Rollout> => {
    if (change === null) throw refuse();
    return { ...change, runningSince: rollout.runningSince === null ? null : at };
  };
  const standing = { clockMs: clockAt(rollout, at), runningSince: null };
  if (verb.kind === 'halt' || verb.kind === 'pass-gate') {
    if (!isCurrent || rollout.state !== 'running') throw refuse();
    if (verb.kind === 'halt') return { ...standing, state: 'halted' };
    return step(passing(rollout, verb.opening, at));
  }
  if (!legal.includes(verb.kind)) throw refuse();
  switch (verb.kind) {
    case 'pause':
      return { ...standing, state: 'paused' };
    case 'resume':
      return {
        state: rollout.sentBackTo === null ? 'running' : 'rolled-back',
        runningSince: at,
        ...(rollout.state === 'halted' ? forgive(rollout) : {}),
      };
    case 'advance':
      return step(nextStep(rollout, at));
    case 'approve':
      return step(approval(rollout, at));
    case 'retry':
      return { attempt: rollout.attempt + 1 };
    case 'withdraw':
      return { ...standing, state: 'withdrawn' };
    case 'supersede':
      requireCovered(rollouts, rollout, rules, at);
      return { ...standing, state: 'superseded' };
    case 'roll-back':
      requirePermitted(rollout.release, verb.to.version);
      requireUnjudged(verb.policy);
      requireOtherWay(rollout, verb);
      return {
        ...{ state: 'rolled-back', sentBackTo: verb.to, policy: verb.policy },
        ...{ clockMs: 0, runningSince: at, ...NOTHING_PASSED },
      };
  }
}

/** Who resumes a halted rollout has seen the evidence: the same failures do not halt it again. */
function forgive({ history }: Rollout): Pick<Rollout, 'forgiven'> | null {
  const evidence = history.findLast(({ verb }) => verb === 'halt')?.evidence ?? null;
  if (evidence === null) return null;
  return { forgiven: { successes: evidence.successes, failures: evidence.failures } };
}

/** No host that is let through now may lose its update: a newer rollout must offer one to each of them. */
function requireCovered(
  rollouts: readonly Rollout[],
  rollout: Rollout,
  rules: FleetRules,
  at: Date,
): void {
  const who = uncovered(rollouts, rollout, rules, at);
  if (who === null) return;
  throw new RolloutError('rollout/not-covered', `cannot supersede rollout ${rollout.id}: ${who}`, {
    hints: [
      'advance the newer rollout first, or change the rules that keep hosts from it',
      'or withdraw this one: nobody else gets it',
    ],
  });
}

function requirePermitted({ version, rollbackTo }: ReleaseRef, to: string): void {
  if (rollbackTo.includes(to)) return;
  const named = rollbackTo.length === 0 ? 'none' : rollbackTo.join(', ');
  throw new RolloutError(
    'rollout/not-permitted',
    `release ${version} may not go back to ${to}: its signed document names ${named}`,
  );
}

/** Who goes back is let go by time and by people alone: outcomes are counted for the way forward. */
function requireUnjudged(policy: Policy): void {
  if (policy.halt === null && !asksForSuccess(policy)) return;
  throw new RolloutError(
    'rollout/policy',
    'a policy for the way back must have neither [halt] nor a gate with success_percentage',
  );
}

/** The same way back again would only begin its waves anew. */
function requireOtherWay(rollout: Rollout, { to, policy }: Verb & { kind: 'roll-back' }): void {
  const { sentBackTo } = rollout;
  if (sentBackTo?.version !== to.version || !isSamePolicy(rollout.policy, policy)) return;
  throw new RolloutError(
    'rollout/illegal',
    `rollout ${rollout.id} sends hosts back to ${to.version} in these waves already`,
  );
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
  const { id, kind, at, by, reason } = verb;
  return { id, verb: kind, at, by, reason, evidence: 'evidence' in verb ? verb.evidence : null };
}
