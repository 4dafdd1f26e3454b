import type { Kysely } from 'kysely';

/** Who is under way now, by each limit that bounds it. */
export const leases = { up } as const;

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('leases')
    .addColumn('host_id', 'text', (column) => column.notNull())
    .addColumn('limit_key', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('leases_key', ['host_id', 'limit_key'])
    .execute();
  await db.schema
    .createIndex('leases_by_limit')
    .on('leases')
    .columns(['limit_key', 'expires_at'])
    .execute();
}
