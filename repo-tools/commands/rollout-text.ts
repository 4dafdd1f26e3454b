import type { RolloutView } from '../../core/rollout-view.ts';

/** One line for a list: `id  variant arch version  state  tide`. */
export function rolloutLine(view: RolloutView): string {
  const { percent, seeds, of } = view.tide;
  const release = `${view.variant} ${view.arch} ${view.version}`;
  const tide = view.sentBackTo === null ? 'tide' : 'let go';
  return `${view.id}  ${release}  ${stateOf(view)}  ${tide} ${percent} % (${seeds} of ${of})`;
}

/** All that is known of a rollout, line by line. */
export function rolloutLines(view: RolloutView): readonly string[] {
  const { failures } = view;
  return [
    rolloutLine(view),
    ...(view.completesAt === null
      ? []
      : [`everyone of its policy is through at ${view.completesAt}`]),
    ...gateLines(view),
    ...(view.sentBackTo === null ? [] : [`hosts that run it go back to ${view.sentBackTo}`]),
    `hosts: ${countsLine(view)}`,
    ...failures.map(
      ({ hostId, at, stage, error }) =>
        `failed: ${hostId} at ${at} in ${stage}${error === null ? '' : `: ${error}`}`,
    ),
    ...view.history.map(
      ({ verb, at, by, reason }) =>
        `${at}  ${verb} by ${by}${reason === null ? '' : `: ${reason}`}`,
    ),
    `next: ${view.verbs.length === 0 ? 'nothing more can be done with it' : view.verbs.join(', ')}`,
  ];
}

const WAITS_FOR = {
  approval: 'a person (tidegate rollout approve)',
  success: 'more hosts that come through',
};

function gateLines(view: RolloutView): readonly string[] {
  return view.gate === null ? [] : [`the gate of wave ${gateText(view)}`];
}

/** At which wave's gate the tide stands, and what it waits for; how to go past it without that, `advance`, is no advice. */
export function gateText({ gate }: RolloutView): string {
  if (gate === null) return 'none holds it now';
  const wanted = gate.waitsFor.map((one) => WAITS_FOR[one]).join(' and for ');
  return `${gate.opening + 1} waits for ${wanted}`;
}

/** What the hosts did. */
export function countsLine({ counts }: RolloutView): string {
  return counts === null
    ? 'only a server knows'
    : `${counts.waiting} waiting, ${counts.offered} offered, ${counts.updated} updated, ` +
        `${counts.failed} failed, ${counts.overdue} overdue, ${counts.rolledBack} rolled back`;
}

function stateOf({ state, phase }: RolloutView): string {
  return state === 'running' ? phase : state;
}
