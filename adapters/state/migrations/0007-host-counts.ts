import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** How many hosts run what, kept with the hosts: counting them anew takes too long where there are many. */
export const hostCounts = { up } as const;

async function up(db: Kysely<unknown>): Promise<void> {
  // A count below zero means that counts and hosts have parted: refuse the transaction that would do it.
  await db.schema
    .createTable('host_counts')
    .addColumn('variant', 'text', (column) => column.notNull())
    .addColumn('arch', 'text', (column) => column.notNull())
    .addColumn('version', 'text', (column) => column.notNull())
    .addColumn('hosts', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('host_counts_key', ['variant', 'arch', 'version'])
    .addCheckConstraint('host_counts_natural', sql`hosts >= 0`)
    .execute();
  await sql`
    insert into host_counts (variant, arch, version, hosts)
    select variant, arch, version, count(*) from hosts group by variant, arch, version`.execute(db);
}
