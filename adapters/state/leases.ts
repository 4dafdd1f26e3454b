import type { Kysely, Transaction } from 'kysely';
import type { Lease, LeaseOrder } from './state.ts';
import type { Tables } from './tables.ts';

/** A lease that ends so much later than a new one would was given by a clock that was ahead: clocks of servers differ by less. */
export const TOO_LATE_MS = 604_800_000;

/**
 * Whether the host holds a lease of each limit for at least half of the time asked for, so that nothing needs to be written. One
 * that ends a week later than that was given by a clock that was ahead, and is shortened.
 */
export async function holdsForLong(
  db: Kysely<Tables>,
  { hostId, limits, at, until }: LeaseOrder,
): Promise<boolean> {
  const half = at.getTime() + Math.floor((until.getTime() - at.getTime()) / 2);
  const held = await db
    .selectFrom('leases')
    .select('limit_key')
    .where('host_id', '=', hostId)
    .where('expires_at', '>', half)
    .where('expires_at', '<=', until.getTime() + TOO_LATE_MS)
    .execute();
  const own = new Set(held.map(({ limit_key }) => limit_key));
  return limits.every(({ key }) => own.has(key));
}

/** Whether the host holds a lease of each limit afterwards; if not, it holds what it held before. */
export async function grantLease(
  transaction: Transaction<Tables>,
  { hostId, limits, at, until }: LeaseOrder,
): Promise<boolean> {
  const keys = limits.map(({ key }) => key);
  if (keys.length === 0) return true;
  const held = await transaction
    .selectFrom('leases')
    .select('limit_key')
    .where('host_id', '=', hostId)
    .where('expires_at', '>', at.getTime())
    .execute();
  const own = new Set(held.map(({ limit_key }) => limit_key));
  for (const { key, ceiling } of limits) {
    if (!own.has(key) && (await countUnder(transaction, key, at)) >= ceiling) return false;
  }
  // Of limits that do not concern the host any more it needs none, and expired ones are nobody's.
  await transaction.deleteFrom('leases').where('host_id', '=', hostId).execute();
  await transaction
    .deleteFrom('leases')
    .where('limit_key', 'in', keys)
    .where('expires_at', '<=', at.getTime())
    .execute();
  await transaction
    .insertInto('leases')
    .values(keys.map((key) => ({ host_id: hostId, limit_key: key, expires_at: until.getTime() })))
    .execute();
  return true;
}

async function countUnder(
  transaction: Transaction<Tables>,
  key: string,
  at: Date,
): Promise<number> {
  const { count } = await transaction
    .selectFrom('leases')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('limit_key', '=', key)
    .where('expires_at', '>', at.getTime())
    .executeTakeFirstOrThrow();
  return count;
}

/** Whatever the limits: who has reported how it went is not under way any more. */
export async function freeLeases(
  transaction: Transaction<Tables>,
  hostIds: readonly string[],
): Promise<void> {
  if (hostIds.length === 0) return;
  await transaction.deleteFrom('leases').where('host_id', 'in', hostIds).execute();
}

export async function selectLeases(db: Kysely<Tables>, at: Date): Promise<readonly Lease[]> {
  const rows = await db
    .selectFrom('leases')
    .selectAll()
    .where('expires_at', '>', at.getTime())
    .orderBy('host_id')
    .orderBy('limit_key')
    .execute();
  return rows.map(({ host_id, limit_key, expires_at }) => ({
    hostId: host_id,
    key: limit_key,
    until: new Date(expires_at),
  }));
}
