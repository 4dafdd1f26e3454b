import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** Types that SQLite and PostgreSQL share: text, integer, bigint for milliseconds, JSON as text. */
export const hostsReportsVerbs = { up } as const;

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('meta')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute();

  await db.schema
    .createTable('hosts')
    .addColumn('id', 'text', (column) => column.notNull().primaryKey())
    .addColumn('variant', 'text', (column) => column.notNull())
    .addColumn('arch', 'text', (column) => column.notNull())
    .addColumn('version', 'text', (column) => column.notNull())
    .addColumn('seed', 'integer', (column) => column.notNull())
    .addColumn('group_name', 'text')
    .addColumn('labels', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('first_seen', 'bigint', (column) => column.notNull())
    .addColumn('last_seen', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('hosts_by_kind')
    .on('hosts')
    .columns(['variant', 'arch', 'version'])
    .execute();
  await db.schema
    .createIndex('hosts_by_kind_and_id')
    .on('hosts')
    .columns(['variant', 'arch', 'id'])
    .execute();

  await db.schema
    .createTable('reports')
    .addColumn('host_id', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('rollout_id', 'text', (column) => column.notNull())
    .addColumn('from_version', 'text', (column) => column.notNull())
    .addColumn('to_version', 'text', (column) => column.notNull())
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('stage', 'text', (column) => column.notNull())
    .addColumn('error', 'text')
    .addColumn('reported_at', 'bigint', (column) => column.notNull())
    .addColumn('received_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('reports_key', ['host_id', 'id'])
    .addCheckConstraint('reports_outcome', sql`outcome in ('updated', 'failed', 'rolled-back')`)
    .execute();
  await db.schema
    .createIndex('reports_by_rollout')
    .on('reports')
    .columns(['rollout_id', 'outcome', 'received_at'])
    .execute();

  await db.schema
    .createTable('progress')
    .addColumn('rollout_id', 'text', (column) => column.notNull())
    .addColumn('host_id', 'text', (column) => column.notNull())
    .addColumn('progress', 'text', (column) => column.notNull())
    .addColumn('decided_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('progress_key', ['rollout_id', 'host_id'])
    .addCheckConstraint(
      'progress_kind',
      sql`progress in ('offered', 'updated', 'failed', 'rolled-back')`,
    )
    .execute();

  // A count below zero means that counters and rows have parted: refuse the transaction that would do it.
  await db.schema
    .createTable('rollout_counts')
    .addColumn('rollout_id', 'text', (column) => column.notNull().primaryKey())
    .addColumn('offered', 'bigint', (column) => column.notNull())
    .addColumn('updated', 'bigint', (column) => column.notNull())
    .addColumn('failed', 'bigint', (column) => column.notNull())
    .addColumn('rolled_back', 'bigint', (column) => column.notNull())
    .addCheckConstraint(
      'rollout_counts_natural',
      sql`offered >= 0 and updated >= 0 and failed >= 0 and rolled_back >= 0`,
    )
    .execute();

  await db.schema
    .createTable('verbs')
    .addColumn('id', 'text', (column) => column.notNull().primaryKey())
    .addColumn('sequence', 'bigint', (column) => column.notNull().unique())
    .addColumn('json', 'text', (column) => column.notNull())
    .addColumn('accepted_at', 'bigint', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('finished_at', 'bigint')
    .addColumn('message', 'text')
    .addCheckConstraint('verbs_status', sql`status in ('pending', 'committed', 'rejected')`)
    .addCheckConstraint('verbs_finished', sql`(status = 'pending') = (finished_at is null)`)
    .addCheckConstraint('verbs_message', sql`(status = 'rejected') = (message is not null)`)
    .execute();
  await db.schema
    .createIndex('verbs_by_status')
    .on('verbs')
    .columns(['status', 'sequence'])
    .execute();
}
