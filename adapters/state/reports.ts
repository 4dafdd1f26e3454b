import type { Kysely, Transaction } from 'kysely';
import { isLater } from './progress.ts';
import type { HostReport, Offer, RolloutCounts, StoredReport } from './state.ts';
import { storableText } from './storable-text.ts';
import type { Progress, Tables } from './tables.ts';

type CountColumn = Exclude<keyof Tables['rollout_counts'], 'rollout_id'>;

const COLUMN: Readonly<Record<Progress, CountColumn>> = {
  offered: 'offered',
  updated: 'updated',
  failed: 'failed',
  'rolled-back': 'rolled_back',
};

const NONE: Readonly<Record<CountColumn, number>> = {
  offered: 0,
  updated: 0,
  failed: 0,
  rolled_back: 0,
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
  for (const { rollout_id } of inserted) count(changes, rollout_id, 'offered', 1);
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
      // The one text that a host may fill with anything.
      error: storableText(report.error),
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
  if (before !== null) count(changes, rolloutId, before.progress, -1);
  count(changes, rolloutId, outcome, 1);
}

function count(changes: Changes, rolloutId: string, progress: Progress, by: 1 | -1): void {
  const change = changes.get(rolloutId) ?? { ...NONE };
  change[COLUMN[progress]] += by;
  changes.set(rolloutId, change);
}

async function writeCounts(transaction: Transaction<Tables>, changes: Changes): Promise<void> {
  for (const [rolloutId, change] of changes) {
    // Not one upsert: a row to insert with a negative change would break the check before it meets the conflict.
    await transaction
      .insertInto('rollout_counts')
      .values({ rollout_id: rolloutId, ...NONE })
      .onConflict((conflict) => conflict.column('rollout_id').doNothing())
      .execute();
    await transaction
      .updateTable('rollout_counts')
      .set((column) => ({
        offered: column('offered', '+', change.offered),
        updated: column('updated', '+', change.updated),
        failed: column('failed', '+', change.failed),
        rolled_back: column('rolled_back', '+', change.rolled_back),
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
  const { offered, updated, failed, rolled_back } = row ?? NONE;
  return { offered, updated, failed, rolledBack: rolled_back };
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
