import { AskError } from '../adapters/terminal/ask-secret.ts';
import type { Io } from '../adapters/terminal/io.ts';
import type { RolloutView } from '../core/rollout-view.ts';
import type { WayBackImpact } from '../core/way-back-impact.ts';
import { RefusedError } from './control/call.ts';
import type { RolloutControl } from './control/control.ts';
import { UsageError } from './usage.ts';

export type ImpactOptions = {
  readonly yes?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
};

/** A verb that stops a rollout or takes it back, and on which it is used. */
export type Stopping = { readonly id: string } & (
  | { readonly verb: 'pause' | 'withdraw' | 'supersede' }
  | { readonly verb: 'rollback'; readonly to: string; readonly policy: string | null }
);

/**
 * Says how many hosts the verb concerns, and asks at a terminal, unless `--yes` was given. Throws AskError when the person declines,
 * `usage/unconfirmed` where there is nobody to ask, and at a terminal what the verb itself would be refused with.
 */
export async function confirmImpact(
  { stderr, confirm }: Io,
  control: Pick<RolloutControl, 'show' | 'rollBackImpact'>,
  { yes = false, dryRun, ...stopping }: ImpactOptions & Stopping,
): Promise<void> {
  if (dryRun === true) return;
  const { verb, id } = stopping;
  if (!yes && confirm === undefined) {
    throw new UsageError(
      'usage/unconfirmed',
      `${verb} stops or reverses rollout ${id}: no terminal to ask at, and no --yes; nothing was done`,
      { hints: ['a script gives --yes'] },
    );
  }
  try {
    for (const line of await impactLines(control, stopping)) stderr.write(`${line}\n`);
  } catch (error) {
    // A brake must not hang on a count, nor a verb that is sent again on one that says it was done: the verb's own answer counts.
    const mayGoOn = error instanceof RefusedError && (yes || error.problem.status === 503);
    if (!mayGoOn) throw error;
    stderr.write(`how many hosts this concerns cannot be told: ${error.message}\n`);
  }
  if (yes || (await confirm?.(`${verb} rollout ${id}?`)) === true) return;
  throw new AskError('ask/refused', `not confirmed: rollout ${id} stays as it is`);
}

async function impactLines(
  control: Pick<RolloutControl, 'show' | 'rollBackImpact'>,
  stopping: Stopping,
): Promise<readonly string[]> {
  const view = await control.show(stopping.id);
  const [first = '', ...more] = await linesOf(control, stopping, view);
  const release = `${view.variant} ${view.arch} ${view.version}`;
  return [`${release}: ${first}`, ...more.map((line) => `  ${line}`)];
}

const UNKNOWN = 'how many hosts this concerns only a server with its database knows';

async function linesOf(
  control: Pick<RolloutControl, 'rollBackImpact'>,
  stopping: Stopping,
  view: RolloutView,
): Promise<readonly string[]> {
  if (stopping.verb !== 'rollback') return [stopLine(stopping.verb, view)];
  const { id: rolloutId, to: version, policy } = stopping;
  const impact = await control.rollBackImpact({ rolloutId, version, policy });
  return impact === null ? [UNKNOWN] : wayBackLines(impact, view);
}

function stopLine(verb: Exclude<Stopping['verb'], 'rollback'>, { counts }: RolloutView): string {
  if (counts === null) return UNKNOWN;
  const { waiting, offered, updated } = counts;
  const before = `${waiting} hosts wait for it, ${offered} were offered it and have not said how it went`;
  switch (verb) {
    case 'pause':
      return `${before}: none of them starts until it is resumed`;
    case 'withdraw':
      return `${before}: none of them gets it any more; ${updated} hosts run it and stay on it`;
    case 'supersede':
      return `${before}: a newer rollout has an update for each of them; ${updated} hosts run it and stay on it`;
  }
}

/** Why a host is not sent back, in words; other reasons speak for themselves. */
const CANNOT: Readonly<Record<string, string>> = {
  excluded: 'are excluded by the rules of the fleet',
  locked: 'are pinned to another version',
  'dead-end': 'would leave or reach a dead end',
  gate: 'wait at a gate of the way back',
  'not-yet': 'are beyond the last wave of the way back',
  window: 'have no maintenance window ahead',
  frozen: 'are frozen without an end',
};

function wayBackLines(impact: WayBackImpact, { counts }: RolloutView): readonly string[] {
  const { hosts, to, atOnce, later, forward, cannot, unheard, underWay } = impact;
  const stuck = cannot.reduce((sum, { hosts: count }) => sum + count, 0);
  const waiting =
    counts === null ? [] : [`${counts.waiting} hosts wait for it: none of them gets it`];
  return [
    `${hosts} hosts run it; to ${to} go ${atOnce} at their next poll and ${later} later`,
    `${stuck} cannot go back${stuck === 0 ? '' : ':'}`,
    ...cannot.map(({ reason, hosts: count }) => `  ${count} ${CANNOT[reason] ?? reason}`),
    ...(forward === 0 ? [] : [`${forward} get a newer release instead`]),
    ...(unheard === 0
      ? []
      : [`${unheard} were not heard of for a day: they learn of it when they poll`]),
    ...(underWay === 0
      ? []
      : [
          `${underWay} were offered it and have not said how it went: who comes to run it goes back then`,
        ]),
    ...waiting,
  ];
}
