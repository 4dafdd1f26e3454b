import type { EventLog } from './event-log.ts';
import type { FleetView } from './fleet.ts';

/** Tells what is another commit and which rollouts a verb changed between two views of the fleet. */
export function publishChanges(
  events: Pick<EventLog, 'publish'>,
  before: FleetView,
  after: FleetView,
): void {
  const { state } = after.published;
  if (state.timestampEtag !== before.published.state.timestampEtag) {
    const { snapshot, timestamp } = state;
    events.publish('commit', { timestamp: timestamp.version, snapshot: snapshot.version });
  }
  const known = new Map(before.rollouts.map(({ id, history }) => [id, history.at(-1)?.id]));
  for (const { id, release, state: now, history } of after.rollouts) {
    const last = history.at(-1);
    if (last === undefined || known.get(id) === last.id) continue;
    const { variant, arch, version } = release;
    const { verb, by, reason } = last;
    events.publish('rollout', {
      ...{ rolloutId: id, variant, arch, version, state: now },
      ...{ verb, by, reason },
    });
  }
}
