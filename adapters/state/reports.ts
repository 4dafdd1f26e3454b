import type { Kysely, Transaction } from 'kysely';
import { move, selectAttempt, writeCounts } from './counts.ts';
import type { Changes } from './counts.ts';
import { freeLeases } from './leases.ts';
import { isLater } from './progress.ts';
import type { Standing } from './progress.ts';
import type { HostReports, Offer, Progress, StoredReport } from './state.ts';
import type { Tables } from './tables.ts';
import { storableText } from './storable-text.ts';

/** Few enough for every engine's limit of parameters. */
const STATEMENT_ROWS = 250;

/** Where hosts stand that are asked again by a retry. */
const RETRIED = ['failed', 'overdue'] as const;

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
        attempt: 1,
      })),
    )
    .onConflict((conflict) => conflict.columns(['rollout_id', 'host_id']).doNothing())
    .returning('rollout_id')
    .execute();
  const changes: Changes = new Map();
  for (const { rollout_id } of inserted) move(changes, rollout_id, null, 'offered');
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
    const retried = await retriedOf(transaction, fresh);
    const moved = new Map<string, MovedHost>();
    for (const { index, ...report } of fresh) {
      added[index] = (added[index] ?? 0) + 1;
      const isRetried = (report.attempt ?? 1) <= (retried.get(report.rolloutId) ?? 1);
      moveHost(report, isRetried, standings, moved, changes);
    }
    await writeStandings(transaction, moved);
    await freeLeases(transaction, [...new Set(fresh.map(({ hostId }) => hostId))]);
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
        // The one text that a host may fill with anything.
        error: storableText(report.error),
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
): Promise<ReadonlyMap<string, Stood>> {
  const standings = new Map<string, Stood>();
  for (const [rolloutId, about] of Map.groupBy(reports, (report) => report.rolloutId)) {
    const rows = await transaction
      .selectFrom('progress')
      .select(['host_id', 'progress', 'decided_at', 'attempt'])
      .where('rollout_id', '=', rolloutId)
      .where('host_id', 'in', [...new Set(about.map(({ hostId }) => hostId))])
      .execute();
    for (const { host_id, progress, decided_at, attempt } of rows) {
      standings.set(keyOf(rolloutId, host_id), { progress, decidedAt: decided_at, attempt });
    }
  }
  return standings;
}

/** The attempts for which failed hosts were asked again, of the rollouts of which reports know a later one than the first. */
async function retriedOf(
  transaction: Transaction<Tables>,
  reports: readonly StoredReport[],
): Promise<ReadonlyMap<string, number>> {
  const later = reports.filter(({ attempt = 1 }) => attempt > 1);
  const retried = new Map<string, number>();
  for (const rolloutId of new Set(later.map((report) => report.rolloutId))) {
    retried.set(rolloutId, await selectAttempt(transaction, rolloutId));
  }
  return retried;
}

type Stood = Standing & { readonly attempt: number };
type MovedHost = Stood & { readonly rolloutId: string; readonly hostId: string };

/** Whether hosts that failed before were asked again for the report's attempt; if not, they are to be, and it counts as if they had been. */
function moveHost(
  { hostId, rolloutId, outcome, at, attempt = 1 }: StoredReport,
  isRetried: boolean,
  standings: ReadonlyMap<string, Stood>,
  moved: Map<string, MovedHost>,
  changes: Changes,
): void {
  const key = keyOf(rolloutId, hostId);
  const known = moved.get(key) ?? standings.get(key) ?? null;
  const isAskedAgain =
    !isRetried &&
    known !== null &&
    known.attempt < attempt &&
    RETRIED.some((progress) => progress === known.progress);
  const before = isAskedAgain ? { ...known, progress: 'offered' as const } : known;
  const decidedAt = at.getTime();
  if (!isLater({ progress: outcome, decidedAt }, before)) return;
  moved.set(key, { rolloutId, hostId, progress: outcome, decidedAt, attempt });
  if (isAskedAgain) move(changes, rolloutId, known.progress, 'offered');
  move(changes, rolloutId, before?.progress ?? null, outcome);
}

async function writeStandings(
  transaction: Transaction<Tables>,
  moved: ReadonlyMap<string, MovedHost>,
): Promise<void> {
  if (moved.size === 0) return;
  await transaction
    .insertInto('progress')
    .values(
      [...moved.values()].map(({ rolloutId, hostId, progress, decidedAt, attempt }) => ({
        rollout_id: rolloutId,
        host_id: hostId,
        progress,
        decided_at: decidedAt,
        attempt,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['rollout_id', 'host_id']).doUpdateSet((proposed) => ({
        progress: proposed.ref('excluded.progress'),
        decided_at: proposed.ref('excluded.decided_at'),
        attempt: proposed.ref('excluded.attempt'),
      })),
    )
    .execute();
}

/** Neither ids of hosts nor of rollouts hold a line feed. */
function keyOf(first: string, second: string): string {
  return `${first}\n${second}`;
}

/** Hosts that come to stand elsewhere. */
export type Move = {
  readonly from: readonly Progress[];
  /** Since before this time of the server's clock; null is at any time. */
  readonly before: Date | null;
  /** In an attempt before this one; null is in any. */
  readonly beforeAttempt: number | null;
  readonly to: {
    readonly progress: Progress;
    /** From when on, and in which attempt; null is as before. */
    readonly anew: { readonly at: Date; readonly attempt: number } | null;
  };
};

/** Who was offered the release before this time and has said nothing since. */
export function overdueMove(before: Date): Move {
  const to = { progress: 'overdue', anew: null } as const;
  return { from: ['offered'], before, beforeAttempt: null, to };
}

/** Who failed before this attempt, or is overdue: asked again from this time on. */
export function retryMove(attempt: number, at: Date): Move {
  const to = { progress: 'offered', anew: { at, attempt } } as const;
  return { from: RETRIED, before: null, beforeAttempt: attempt, to };
}

/** At most `limit` hosts that are to be moved. */
export async function findMoving(
  db: Kysely<Tables>,
  rolloutId: string,
  { from, before, beforeAttempt }: Move,
  limit: number,
): Promise<readonly { readonly host_id: string; readonly progress: Progress }[]> {
  let found = db
    .selectFrom('progress')
    .select(['host_id', 'progress'])
    .where('rollout_id', '=', rolloutId)
    .where('progress', 'in', from);
  if (before !== null) found = found.where('decided_at', '<', before.getTime());
  if (beforeAttempt !== null) found = found.where('attempt', '<', beforeAttempt);
  return found.limit(limit).execute();
}

/** Moves at most `limit` hosts; returns how many there were. */
export async function moveHosts(
  transaction: Transaction<Tables>,
  rolloutId: string,
  step: Move,
  limit: number,
): Promise<number> {
  const rows = await findMoving(transaction, rolloutId, step, limit);
  if (rows.length === 0) return 0;
  const { progress, anew } = step.to;
  await transaction
    .updateTable('progress')
    .set({
      progress,
      ...(anew === null ? {} : { decided_at: anew.at.getTime(), attempt: anew.attempt }),
    })
    .where('rollout_id', '=', rolloutId)
    .where(
      'host_id',
      'in',
      rows.map(({ host_id }) => host_id),
    )
    .execute();
  const changes: Changes = new Map();
  for (const row of rows) move(changes, rolloutId, row.progress, progress);
  await writeCounts(transaction, changes);
  return rows.length;
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
