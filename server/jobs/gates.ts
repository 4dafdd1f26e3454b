import type { State } from '../../adapters/state/state.ts';
import { judge, overdueBefore } from '../../core/judge.ts';
import { counterSchema } from '../../core/rollout.ts';
import type { Counters, Rollout } from '../../core/rollout.ts';
import { asksForSuccess } from '../../core/wave.ts';
import type { Fleet } from '../fleet.ts';
import type { VerbIntake } from '../verb-intake.ts';
import type { WriteBehind } from '../write-behind.ts';

export type GatesOptions = {
  readonly state: Pick<State, 'countsOf' | 'raiseEvents' | 'markOverdue' | 'retryFailed'>;
  readonly fleet: Fleet;
  readonly intake: Pick<VerbIntake, 'acceptOwn'>;
  readonly writeBehind: Pick<WriteBehind, 'flush'>;
  readonly now: () => Date;
};

/** Rollouts that run are halted or pass a gate; those that were halted send their hosts back, if their policy says so. */
export type JudgedState = 'running' | 'halted';

/**
 * Brings the counters of each rollout in these states up to date and does what they ask for: halt, pass a gate, roll back. Reads
 * one row of counters for a rollout, whatever the size of the fleet, and nothing for one whose policy asks for nothing. Only a way
 * back waits for the repository. Throws the first failure when all were judged.
 */
export async function judgeRollouts(
  options: GatesOptions,
  states: readonly JudgedState[],
): Promise<void> {
  const { fleet, writeBehind } = options;
  const rollouts = fleet.view.platforms
    .flatMap((platform) => fleet.currentRollouts(platform) ?? [])
    .filter((rollout) => isJudged(rollout) && states.some((state) => state === rollout.state));
  if (rollouts.length === 0) return;
  // A gate counts hosts that were offered the release, and offers may still lie in memory.
  await writeBehind.flush();
  const failures: unknown[] = [];
  for (const rollout of rollouts) {
    try {
      await judgeOne(rollout, options);
    } catch (error) {
      // One whose way back is not to be had must not keep the others from being halted.
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

function isJudged({ policy, attempt, sentBackTo }: Rollout): boolean {
  if (sentBackTo !== null) return false;
  const isPlain = policy.halt === null && policy.outcomeWithinMs === null && attempt === 1;
  return !isPlain || asksForSuccess(policy);
}

async function judgeOne(
  rollout: Rollout,
  { state, intake, now }: Omit<GatesOptions, 'fleet' | 'writeBehind'>,
): Promise<void> {
  const { id, attempt } = rollout;
  const at = now();
  if (attempt > 1) await state.retryFailed(id, attempt, at);
  const silentSince = overdueBefore(rollout, at);
  if (silentSince !== null) await state.markOverdue(id, silentSince);
  const counters = await countersOf(rollout, state);
  const judgement = judge(rollout, counters, at);
  if (judgement !== null) await intake.acceptOwn(rollout, judgement, counters);
}

/**
 * The signed manifest witnesses what was forgiven. A database that has counted less has lost it, and must not take the next
 * failures for those.
 */
async function countersOf(
  { id, forgiven }: Rollout,
  state: Pick<State, 'countsOf' | 'raiseEvents'>,
): Promise<Counters> {
  const counters = counterSchema.parse(await state.countsOf(id));
  const { successes, failures } = counters;
  if (successes >= forgiven.successes && failures >= forgiven.failures) return counters;
  await state.raiseEvents(id, forgiven);
  return counterSchema.parse(await state.countsOf(id));
}
