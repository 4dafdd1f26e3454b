import type { Kysely, Transaction } from 'kysely';
import type { Progress, RolloutCounts, RolloutEvents } from './state.ts';
import type { Tables } from './tables.ts';

type CountColumn = Exclude<keyof Tables['rollout_counts'], 'rollout_id' | 'attempt'>;

const COLUMN: Readonly<Record<Progress, CountColumn>> = {
  offered: 'offered',
  updated: 'updated',
  failed: 'failed',
  overdue: 'overdue',
  'rolled-back': 'rolled_back',
};

/** Which event it is when a host comes to stand there; between two that are the same event nothing happens. */
const EVENT: Readonly<Record<Progress, 'successes' | 'failures' | null>> = {
  offered: null,
  updated: 'successes',
  failed: 'failures',
  overdue: 'failures',
  'rolled-back': null,
};

const NONE: Readonly<Record<CountColumn, number>> = {
  offered: 0,
  updated: 0,
  failed: 0,
  rolled_back: 0,
  overdue: 0,
  successes: 0,
  failures: 0,
};

/** Changes of counters by rollout, gathered in a transaction and written at its end. */
export type Changes = Map<string, Record<CountColumn, number>>;

/** A host came to stand elsewhere: from nowhere if it is null. */
export function move(
  changes: Changes,
  rolloutId: string,
  from: Progress | null,
  to: Progress,
): void {
  const change = changes.get(rolloutId) ?? { ...NONE };
  if (from !== null) change[COLUMN[from]] -= 1;
  change[COLUMN[to]] += 1;
  const event = EVENT[to];
  if (event !== null && (from === null || EVENT[from] !== event)) change[event] += 1;
  changes.set(rolloutId, change);
}

/** What was gathered, in one row a rollout. */
export async function writeCounts(
  transaction: Transaction<Tables>,
  changes: Changes,
): Promise<void> {
  for (const [rolloutId, change] of changes) {
    // Not one upsert: a row to insert with a negative change would break the check before it meets the conflict.
    await transaction
      .insertInto('rollout_counts')
      .values({ rollout_id: rolloutId, ...NONE, attempt: 1 })
      .onConflict((conflict) => conflict.column('rollout_id').doNothing())
      .execute();
    await transaction
      .updateTable('rollout_counts')
      .set((column) => ({
        offered: column('offered', '+', change.offered),
        updated: column('updated', '+', change.updated),
        failed: column('failed', '+', change.failed),
        rolled_back: column('rolled_back', '+', change.rolled_back),
        overdue: column('overdue', '+', change.overdue),
        successes: column('successes', '+', change.successes),
        failures: column('failures', '+', change.failures),
      }))
      .where('rollout_id', '=', rolloutId)
      .execute();
  }
}

export async function selectCounts(db: Kysely<Tables>, rolloutId: string): Promise<RolloutCounts> {
  const row = await db
    .selectFrom('rollout_counts')
    .selectAll()
    .where('rollout_id', '=', rolloutId)
    .executeTakeFirst();
  const { offered, updated, failed, overdue, successes, failures, rolled_back } = row ?? NONE;
  return { offered, updated, failed, overdue, successes, failures, rolledBack: rolled_back };
}

/** The attempt of the rollout that its counters belong to: 1 unless `setAttempt` said otherwise. */
export async function selectAttempt(db: Kysely<Tables>, rolloutId: string): Promise<number> {
  const row = await db
    .selectFrom('rollout_counts')
    .select('attempt')
    .where('rollout_id', '=', rolloutId)
    .executeTakeFirst();
  return row?.attempt ?? 1;
}

/** From now on the counters belong to this attempt. */
export async function setAttempt(
  transaction: Transaction<Tables>,
  rolloutId: string,
  attempt: number,
): Promise<void> {
  await writeCounts(transaction, new Map([[rolloutId, { ...NONE }]]));
  await transaction
    .updateTable('rollout_counts')
    .set({ attempt })
    .where('rollout_id', '=', rolloutId)
    .where('attempt', '<', attempt)
    .execute();
}

/** No count of events is below these any more. */
export async function raiseEvents(
  transaction: Transaction<Tables>,
  rolloutId: string,
  atLeast: RolloutEvents,
): Promise<void> {
  await writeCounts(transaction, new Map([[rolloutId, { ...NONE }]]));
  for (const event of ['successes', 'failures'] as const) {
    await transaction
      .updateTable('rollout_counts')
      .set({ [event]: atLeast[event] })
      .where('rollout_id', '=', rolloutId)
      .where(event, '<', atLeast[event])
      .execute();
  }
}
