import type { Context } from '../../server/context.ts';
import type { Rollout } from '../../core/rollout.ts';
import type { FleetModel } from './fleet-model.ts';
import { checkPublished } from './inspect.ts';
import type { Judgement, RolloutModel } from './rollout-model.ts';
import { demand, stepOf, Violation } from './step.ts';
import type { Step } from './step.ts';
import type { World } from './world.ts';

/** Jobs that decide nothing. */
export const JOBS = ['commit', 'flush', 'learn', 'follow', 'listing', 'audit'] as const;
export type JobName = (typeof JOBS)[number];

const WORK: Readonly<Record<JobName, (context: Context) => Promise<unknown>>> = {
  commit: ({ commitPending }) => commitPending(),
  flush: ({ writeBehind }) => writeBehind.flush(),
  learn: ({ outbox }) => outbox.learn(),
  follow: ({ link }) => link.follow(),
  listing: ({ listing }) => listing.tick(),
  audit: ({ trail }) => trail.flush(),
};

export function jobStep(name: JobName): Step {
  return stepOf(`job ${name}`, async (model, world) => {
    const isDone = await world.work(WORK[name]);
    if (!isDone) return;
    if (name === 'flush') written(model);
    if (name === 'commit') await checkPublished(model, world);
  });
}

export function judgeStep(): Step {
  return stepOf('job gates', judgeOutcomes);
}

/** The server does what the outcomes of hosts ask for: all of it, and nothing else. */
export async function judgeOutcomes(model: FleetModel, world: World): Promise<void> {
  await world.work(({ judge }) => judge());
  if (world.isDatabaseAway) return;
  const judged = model.current().filter(isJudged);
  if (judged.length > 0) written(model);
  for (const rollout of judged) {
    rollout.standings.retry(rollout.attempt, model.nowMs);
    rollout.findOverdue(model.nowMs);
  }
  for (const rollout of model.rollouts) follow(rollout, world);
}

function written(model: FleetModel): void {
  for (const { standings } of model.rollouts) standings.written();
}

function isJudged({ state, back, policy, attempt }: RolloutModel): boolean {
  const asks =
    policy.halt !== null ||
    policy.outcomeWithinHours !== null ||
    policy.waves.some(({ success }) => success !== null);
  return back === null && (state === 'running' || state === 'halted') && (asks || attempt > 1);
}

function follow(rollout: RolloutModel, world: World): void {
  const real = world.context.fleet.view.rollouts.find(({ id }) => id === rollout.id);
  const news = real?.history.slice(rollout.verbs.length) ?? [];
  if (news.length === 0 && rollout.standings.isSure) {
    const due = rollout.due();
    const isExcused = due === 'roll-back' && world.isStorageAway;
    if (!isExcused) demand(`what rollout ${rollout.version} needs`, null, due);
  }
  for (const change of news) {
    demand('who did what nobody asked for', change.by, 'server');
    const kind = judgementOf(change);
    const counts = countsOf(rollout, change);
    demand(`rollout ${rollout.version} by ${JSON.stringify(counts)}`, kind, rollout.due(counts));
    rollout.judged(kind, counts);
    world.note(`server ${kind}`);
  }
}

function judgementOf({ verb }: { readonly verb: string }): Judgement {
  if (verb === 'halt' || verb === 'roll-back' || verb === 'pass-gate') return verb;
  throw new Violation(`the server gave the verb ${verb} by itself`);
}

/** The model's own counts where it is sure of them; else those of the evidence, so far as they can be true. */
function countsOf({ standings }: RolloutModel, { evidence }: Rollout['history'][number]) {
  const updated = standings.count('updated');
  const own = { ...standings.events, updated, known: standings.known() };
  if (evidence === null) return own;
  const { offered, failed, overdue, successes, failures } = evidence;
  const { least, most } = standings.offeredBounds();
  demand('updated, failed', [evidence.updated, failed], [updated, standings.count('failed')]);
  if (standings.isSure) demand('overdue', overdue, standings.count('overdue'));
  if (offered + overdue < least || offered + overdue > most) {
    throw new Violation(
      `offered ${offered} and overdue ${overdue}, which must be ${least}..${most}`,
    );
  }
  return standings.isSure
    ? own
    : { successes, failures, updated, known: offered + updated + failed + overdue };
}
