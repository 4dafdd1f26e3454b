import type { Kysely, Transaction } from 'kysely';
import { isLater } from './progress.ts';
import type { Standing } from './progress.ts';
import type { HostReports, Offer, RolloutCounts, StoredReport } from './state.ts';
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

/** Few enough for every engine's limit of parameters. */
const STATEMENT_ROWS = 250;

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

/** Returns for each host's reports how many of them were not known. The same host may stand there several times. */
export async function insertReports(
  transaction: Transaction<Tables>,
  batch: readonly HostReports[],
): Promise<readonly number[]> {
  const all = batch.flatMap(({ hostId, reports, receivedAt }, index) =>
    reports.map((report) => ({ ...report, hostId, receivedAt, index })),
  );
  const changes: Changes = new Map();
  const added = batch.map(() => 0);
  for (let start = 0; start < all.length; start += STATEMENT_ROWS) {
    const fresh = await insertFresh(transaction, all.slice(start, start + STATEMENT_ROWS));
    const standings = await standingsOf(transaction, fresh);
    const moved = new Map<string, MovedHost>();
    for (const { index, ...report } of fresh) {
      added[index] = (added[index] ?? 0) + 1;
      moveHost(report, standings, moved, changes);
    }
    await writeStandings(transaction, moved);
  }
  await writeCounts(transaction, changes);
  return added;
}

/** The reports that were not known, in their order; of one that stands there twice the first. */
async function insertFresh<T extends StoredReport>(
  transaction: Transaction<Tables>,
  reports: readonly T[],
): Promise<readonly T[]> {
  const inserted = await transaction
    .insertInto('reports')
    .values(
      reports.map((report) => ({
        host_id: report.hostId,
        id: report.id,
        rollout_id: report.rolloutId,
        from_version: report.from,
        to_version: report.to,
        outcome: report.outcome,
        stage: report.stage,
        error: report.error,
        reported_at: report.at.getTime(),
        received_at: report.receivedAt.getTime(),
      })),
    )
    .onConflict((conflict) => conflict.columns(['host_id', 'id']).doNothing())
    .returning(['host_id', 'id'])
    .execute();
  const fresh = new Set(inserted.map(({ host_id, id }) => keyOf(host_id, id)));
  return reports.filter(({ hostId, id }) => fresh.delete(keyOf(hostId, id)));
}

/** Where the hosts stand now in the rollouts that they report about. */
async function standingsOf(
  transaction: Transaction<Tables>,
  reports: readonly StoredReport[],
): Promise<ReadonlyMap<string, Standing>> {
  const standings = new Map<string, Standing>();
  for (const [rolloutId, about] of Map.groupBy(reports, (report) => report.rolloutId)) {
    const rows = await transaction
      .selectFrom('progress')
      .select(['host_id', 'progress', 'decided_at'])
      .where('rollout_id', '=', rolloutId)
      .where('host_id', 'in', [...new Set(about.map(({ hostId }) => hostId))])
      .execute();
    for (const { host_id, progress, decided_at } of rows) {
      standings.set(keyOf(rolloutId, host_id), { progress, decidedAt: decided_at });
    }
  }
  return standings;
}

type MovedHost = Standing & { readonly rolloutId: string; readonly hostId: string };

function moveHost(
  { hostId, rolloutId, outcome, at }: StoredReport,
  standings: ReadonlyMap<string, Standing>,
  moved: Map<string, MovedHost>,
  changes: Changes,
): void {
  const key = keyOf(rolloutId, hostId);
  const before = moved.get(key) ?? standings.get(key) ?? null;
  const decidedAt = at.getTime();
  if (!isLater({ progress: outcome, decidedAt }, before)) return;
  moved.set(key, { rolloutId, hostId, progress: outcome, decidedAt });
  if (before !== null) count(changes, rolloutId, before.progress, -1);
  count(changes, rolloutId, outcome, 1);
}

async function writeStandings(
  transaction: Transaction<Tables>,
  moved: ReadonlyMap<string, MovedHost>,
): Promise<void> {
  if (moved.size === 0) return;
  await transaction
    .insertInto('progress')
    .values(
      [...moved.values()].map(({ rolloutId, hostId, progress, decidedAt }) => ({
        rollout_id: rolloutId,
        host_id: hostId,
        progress,
        decided_at: decidedAt,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['rollout_id', 'host_id']).doUpdateSet((proposed) => ({
        progress: proposed.ref('excluded.progress'),
        decided_at: proposed.ref('excluded.decided_at'),
      })),
    )
    .execute();
}

/** Neither ids of hosts nor of rollouts hold a line feed. */
function keyOf(first: string, second: string): string {
  return `${first}\n${second}`;
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
