import type { Kysely, Transaction } from 'kysely';
import { recount } from './host-counts.ts';
import type { SweepPage, SweepPlace } from './state.ts';
import type { Tables } from './tables.ts';

/** What of a page is too old, and where the next one begins. */
type Found<K> = { readonly old: readonly K[]; readonly next: SweepPlace | null };

/** Looks without holding up anybody who writes. */
export async function findOldHosts(
  db: Kysely<Tables>,
  unseenSince: Date,
  { after, limit }: SweepPage,
): Promise<Found<string>> {
  const all = db.selectFrom('hosts').select(['id', 'last_seen']);
  const rest = after === null ? all : all.where('id', '>', after.hostId);
  const rows = await rest.orderBy('id').limit(limit).execute();
  const last = rows.at(-1);
  return {
    old: rows.filter(({ last_seen }) => last_seen < unseenSince.getTime()).map(({ id }) => id),
    next: last === undefined || rows.length < limit ? null : { hostId: last.id, id: '' },
  };
}

/** A host that was seen since it was looked at stays. */
export async function deleteHosts(
  transaction: Transaction<Tables>,
  ids: readonly string[],
  unseenSince: Date,
): Promise<number> {
  const deleted = await transaction
    .deleteFrom('hosts')
    .where('id', 'in', ids)
    .where('last_seen', '<', unseenSince.getTime())
    .returning(['variant', 'arch', 'version'])
    .execute();
  await recount(transaction, deleted, []);
  return deleted.length;
}

export async function findOldReports(
  db: Kysely<Tables>,
  receivedBefore: Date,
  { after, limit }: SweepPage,
): Promise<Found<SweepPlace>> {
  const all = db.selectFrom('reports').select(['host_id', 'id', 'received_at']);
  const rest =
    after === null
      ? all
      : all.where((on) => on(on.refTuple('host_id', 'id'), '>', on.tuple(after.hostId, after.id)));
  const rows = await rest.orderBy('host_id').orderBy('id').limit(limit).execute();
  const last = rows.at(-1);
  return {
    old: rows
      .filter(({ received_at }) => received_at < receivedBefore.getTime())
      .map(({ host_id, id }) => ({ hostId: host_id, id })),
    next: last === undefined || rows.length < limit ? null : { hostId: last.host_id, id: last.id },
  };
}

export async function deleteReports(
  transaction: Transaction<Tables>,
  old: readonly SweepPlace[],
): Promise<number> {
  const { numDeletedRows } = await transaction
    .deleteFrom('reports')
    .where((on) =>
      on(
        on.refTuple('host_id', 'id'),
        'in',
        old.map(({ hostId, id }) => on.tuple(hostId, id)),
      ),
    )
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}
