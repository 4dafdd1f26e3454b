import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** Hosts that stayed silent for too long, events that only grow, and which attempt of a rollout the counters belong to. */
export const overdueHosts = { up } as const;

async function up(db: Kysely<unknown>): Promise<void> {
  // SQLite cannot change a check of a table that is there.
  await db.schema
    .createTable('progress_with_overdue')
    .addColumn('rollout_id', 'text', (column) => column.notNull())
    .addColumn('host_id', 'text', (column) => column.notNull())
    .addColumn('progress', 'text', (column) => column.notNull())
    .addColumn('decided_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('progress_with_overdue_key', ['rollout_id', 'host_id'])
    .addCheckConstraint(
      'progress_with_overdue_kind',
      sql`progress in ('offered', 'updated', 'failed', 'overdue', 'rolled-back')`,
    )
    .execute();
  await sql`insert into progress_with_overdue select rollout_id, host_id, progress, decided_at from progress`.execute(
    db,
  );
  await db.schema.dropTable('progress').execute();
  await db.schema.alterTable('progress_with_overdue').renameTo('progress').execute();
  await db.schema
    .createIndex('progress_by_standing')
    .on('progress')
    .columns(['rollout_id', 'progress', 'decided_at'])
    .execute();

  for (const name of ['overdue', 'successes', 'failures']) {
    await db.schema
      .alterTable('rollout_counts')
      .addColumn(name, 'bigint', (column) =>
        column
          .notNull()
          .defaultTo(0)
          .check(sql`${sql.ref(name)} >= 0`),
      )
      .execute();
  }
  await db.schema
    .alterTable('rollout_counts')
    .addColumn('attempt', 'integer', (column) => column.notNull().defaultTo(1))
    .execute();
  await sql`update rollout_counts set successes = updated, failures = failed`.execute(db);
}
