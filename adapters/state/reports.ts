import type { Kysely, Transaction } from 'kysely';
import { isLater } from './progress.ts';
import type { HostReport, Offer, Progress, RolloutCounts, StoredReport } from './state.ts';
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
type Changes = Map<string, Record<CountColumn, number>>;

/** A host that stands anywhere in the rollout already stays there. */
export async function insertOffers(
  transaction: Transaction<Tables>,
  offers: readonly Offer[],
): Promise<void> {
  if (offers.length === 0) return;
  const inserted = await transaction
    .insertInto('progress')
    .values(
      offers.map((offer) => ({
        rollout_id: offer.rolloutId,
        host_id: offer.hostId,
        progress: 'offered' as const,
        decided_at: offer.at.getTime(),
      })),
    )
    .onConflict((conflict) => conflict.columns(['rollout_id', 'host_id']).doNothing())
    .returning('rollout_id')
    .execute();
  const changes: Changes = new Map();
  for (const { rollout_id } of inserted) move(changes, rollout_id, null, 'offered');
  await writeCounts(transaction, changes);
}

/** Returns how many of the reports were not known. */
export async function insertReports(
  transaction: Transaction<Tables>,
  hostId: string,
  reports: readonly HostReport[],
  receivedAt: Date,
): Promise<number> {
  const changes: Changes = new Map();
  let added = 0;
  for (const report of reports) {
    if (!(await insertReport(transaction, hostId, report, receivedAt))) continue;
    added += 1;
    await moveHost(transaction, hostId, report, changes);
  }
  await writeCounts(transaction, changes);
  return added;
}

async function insertReport(
  transaction: Transaction<Tables>,
  hostId: string,
  report: HostReport,
  receivedAt: Date,
): Promise<boolean> {
  const inserted = await transaction
    .insertInto('reports')
    .values({
      host_id: hostId,
      id: report.id,
      rollout_id: report.rolloutId,
      from_version: report.from,
      to_version: report.to,
      outcome: report.outcome,
      stage: report.stage,
      error: report.error,
      reported_at: report.at.getTime(),
      received_at: receivedAt.getTime(),
    })
    .onConflict((conflict) => conflict.columns(['host_id', 'id']).doNothing())
    .returning('id')
    .executeTakeFirst();
  return inserted !== undefined;
}

async function moveHost(
  transaction: Transaction<Tables>,
  hostId: string,
  { rolloutId, outcome, at }: HostReport,
  changes: Changes,
): Promise<void> {
  const row = await transaction
    .selectFrom('progress')
    .select(['progress', 'decided_at'])
    .where('rollout_id', '=', rolloutId)
    .where('host_id', '=', hostId)
    .executeTakeFirst();
  const before = row === undefined ? null : { progress: row.progress, decidedAt: row.decided_at };
  const decidedAt = at.getTime();
  if (!isLater({ progress: outcome, decidedAt }, before)) return;
  const standing = { progress: outcome, decided_at: decidedAt };
  await transaction
    .insertInto('progress')
    .values({ rollout_id: rolloutId, host_id: hostId, ...standing })
    .onConflict((conflict) => conflict.columns(['rollout_id', 'host_id']).doUpdateSet(standing))
    .execute();
  move(changes, rolloutId, before?.progress ?? null, outcome);
}

function move(changes: Changes, rolloutId: string, from: Progress | null, to: Progress): void {
  const change = changes.get(rolloutId) ?? { ...NONE };
  if (from !== null) change[COLUMN[from]] -= 1;
  change[COLUMN[to]] += 1;
  const event = EVENT[to];
  if (event !== null && (from === null || EVENT[from] !== event)) change[event] += 1;
  changes.set(rolloutId, change);
}

/** At most `limit` hosts that stand there since before that time come to stand elsewhere; returns how many there were. */
export async function moveHosts(
  transaction: Transaction<Tables>,
  rolloutId: string,
  {
    from,
    before,
    to,
    limit,
  }: {
    readonly from: readonly Progress[];
    /** Null is at any time. */
    readonly before: Date | null;
    /** `at` replaces since when they stand there. */
    readonly to: { readonly progress: Progress; readonly at?: Date };
    readonly limit: number;
  },
): Promise<number> {
  let found = transaction
    .selectFrom('progress')
    .select(['host_id', 'progress'])
    .where('rollout_id', '=', rolloutId)
    .where('progress', 'in', from);
  if (before !== null) found = found.where('decided_at', '<', before.getTime());
  const rows = await found.limit(limit).execute();
  if (rows.length === 0) return 0;
  await transaction
    .updateTable('progress')
    .set({
      progress: to.progress,
      ...(to.at === undefined ? {} : { decided_at: to.at.getTime() }),
    })
    .where('rollout_id', '=', rolloutId)
    .where(
      'host_id',
      'in',
      rows.map(({ host_id }) => host_id),
    )
    .execute();
  const changes: Changes = new Map();
  for (const { progress } of rows) move(changes, rolloutId, progress, to.progress);
  await writeCounts(transaction, changes);
  return rows.length;
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

async function writeCounts(transaction: Transaction<Tables>, changes: Changes): Promise<void> {
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

export async function selectFailures(
  db: Kysely<Tables>,
  rolloutId: string,
  limit: number,
): Promise<readonly StoredReport[]> {
  const rows = await db
    .selectFrom('reports')
    .selectAll()
    .where('rollout_id', '=', rolloutId)
    .where('outcome', '=', 'failed')
    .orderBy('received_at', 'desc')
    .orderBy('reported_at', 'desc')
    .orderBy('host_id')
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    hostId: row.host_id,
    id: row.id,
    rolloutId: row.rollout_id,
    from: row.from_version,
    to: row.to_version,
    outcome: row.outcome,
    stage: row.stage,
    error: row.error,
    at: new Date(row.reported_at),
    receivedAt: new Date(row.received_at),
  }));
}
