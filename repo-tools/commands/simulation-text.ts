import { formatDuration } from '../../core/duration.ts';
import { SEED_COUNT } from '../../core/seed.ts';
import type { GroupResult, Standings } from '../../core/simulated-counts.ts';
import type { Sample, Simulation } from '../../core/simulation.ts';
import { bar } from './bar.ts';

/** A chart of the tide, one of each group, and what happened. */
export function simulationLines(result: Simulation): readonly string[] {
  return [
    ...result.samples.map(tideLine),
    ...result.groups.flatMap((group) => groupLines(group, result.samples)),
    ...resultLines(result),
  ];
}

function tideLine(sample: Sample): string {
  const { atMs, tide, state } = sample;
  const standing = state === 'running' ? '' : `, ${state}`;
  return `${chartLine(atMs, tide / SEED_COUNT)}  ${standingsText(sample)}${standing}`;
}

/** Of a group the chart shows the hosts that were told to start, since a delay or a limit keeps them from following the tide. */
function groupLines(group: GroupResult, samples: readonly Sample[]): readonly string[] {
  const { hosts, largestStep } = group;
  const name = group.group === null ? 'in no group' : `group ${group.group}`;
  return [
    '',
    `${name}: ${hosts} hosts`,
    ...samples.flatMap(({ atMs, groups }) => {
      const now = groups.find((one) => one.group === group.group);
      if (now === undefined) return [];
      const started = now.offered + now.updated + now.failed + now.overdue;
      return [`${chartLine(atMs, hosts === 0 ? 0 : started / hosts)}  ${standingsText(now)}`];
    }),
    stepLine(largestStep),
    ...heldLines(group.held),
  ];
}

function resultLines(result: Simulation): readonly string[] {
  const { rollout, largestStep, endedAtMs, sentBack, groups } = result;
  const beginMs = rollout.history[0]?.at.getTime() ?? 0;
  return [
    ...(groups.length === 0 ? [] : ['']),
    ...rollout.history.slice(1).map(({ verb, at, by, reason }) => {
      const why = reason === null ? '' : `: ${reason}`;
      return `${lasting(at.getTime() - beginMs)}: ${verb} by ${by}${why}`;
    }),
    ...(sentBack === 0 ? [] : [`${sentBack} hosts went back`]),
    ...heldLines(result.held),
    stepLine(largestStep),
    `it ends ${rollout.state} after ${lasting(endedAtMs)}`,
  ];
}

function chartLine(atMs: number, share: number): string {
  const percent = `${(share * 100).toFixed(1)} %`.padStart(8);
  return `${formatDuration(atMs).padStart(12)} ${percent}  ${bar(share * SEED_COUNT).padEnd(40)}`;
}

function standingsText({ offered, updated, failed, overdue }: Standings): string {
  return `${offered} under way, ${updated} updated, ${failed + overdue} failed`;
}

function heldLines(held: Readonly<Record<string, number>>): readonly string[] {
  const counts = Object.entries(held).map(([reason, hosts]) => `${hosts} ${reason}`);
  return counts.length === 0 ? [] : [`without the release: ${counts.join(', ')}`];
}

function stepLine({ hosts, atMs }: Simulation['largestStep']): string {
  return `largest step: ${hosts} hosts became eligible in one instant, at ${lasting(atMs)}`;
}

function lasting(ms: number): string {
  return formatDuration(Math.max(1, Math.round(ms / 60_000)) * 60_000);
}
