import type { Logger } from 'pino';
import { StateError } from '../adapters/state/state.ts';
import type { State } from '../adapters/state/state.ts';
import { formatInstant } from '../core/instant.ts';
import type { Rollout } from '../core/rollout.ts';
import type { HostOutcomes, RolloutCounts } from '../core/rollout-view.ts';
import { compareVersions } from '../core/version.ts';
import type { WriteBehind } from './write-behind.ts';

const SHOWN_FAILURES = 20;

export type OutcomeOptions = {
  readonly state: Pick<State, 'countsOf' | 'countHosts' | 'failuresOf'>;
  readonly writeBehind: Pick<WriteBehind, 'flush'>;
  readonly log: Logger;
};

/** What the hosts did in a rollout. With the database away it is not known: then the counts are null. */
export async function outcomesOf(rollout: Rollout, options: OutcomeOptions): Promise<HostOutcomes> {
  const { state, writeBehind, log } = options;
  try {
    // So that whoever looks sees the polls that were answered before.
    await writeBehind.flush();
    const counts = await countsOf(rollout, state);
    const failures = await state.failuresOf(rollout.id, SHOWN_FAILURES);
    return {
      counts,
      failures: failures.map(({ hostId, at, stage, error }) => ({
        hostId,
        at: formatInstant(at),
        stage,
        error,
      })),
    };
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    log.warn({ rolloutId: rollout.id, err: error }, 'outcomes unknown');
    return { counts: null, failures: [] };
  }
}

async function countsOf(
  { id, release }: Rollout,
  state: OutcomeOptions['state'],
): Promise<RolloutCounts> {
  const { offered, updated, failed, overdue, rolledBack } = await state.countsOf(id);
  const versions = await state.countHosts(release);
  const older = versions
    .filter(({ version }) => compareVersions(version, release.version) < 0)
    .reduce((sum, { hosts }) => sum + hosts, 0);
  // Hosts that have the offer, or did not come through with it, run an older version too; those updated do not.
  const waiting = Math.max(0, older - offered - failed - overdue - rolledBack);
  return { waiting, offered, updated, failed, overdue, rolledBack };
}
