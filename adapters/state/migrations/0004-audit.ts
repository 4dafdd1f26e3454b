import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** The audit log, a column for each part of an entry: a part that stood twice could differ from itself. */
export const audit = { up } as const;

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('audit')
    .addColumn('sequence', 'bigint', (column) => column.notNull().primaryKey())
    .addColumn('recorded_at', 'bigint', (column) => column.notNull())
    .addColumn('event', 'text', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('verb_id', 'text', (column) => column.notNull())
    .addColumn('verb', 'text', (column) => column.notNull())
    .addColumn('verb_at', 'bigint', (column) => column.notNull())
    .addColumn('rollout_id', 'text')
    .addColumn('reason', 'text')
    .addColumn('message', 'text')
    .addColumn('before', 'text')
    .addColumn('after', 'text')
    .addColumn('previous_hash', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addCheckConstraint(
      'audit_event',
      sql`event in ('accepted', 'committed', 'rejected', 'found', 'forgotten')`,
    )
    .execute();
  await db.schema
    .createIndex('audit_by_verb')
    .on('audit')
    .columns(['verb_id', 'event'])
    .unique()
    .execute();
}
