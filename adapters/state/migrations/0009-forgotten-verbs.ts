import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/** The verbs that the audit log told of in entries that it has forgotten: what is in no entry is new only if it is not here. */
export const forgottenVerbs = { up } as const;

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('forgotten_verbs')
    .addColumn('verb_id', 'text', (column) => column.notNull().primaryKey())
    .execute();
  await sql`
    insert into forgotten_verbs (verb_id)
    select id from verbs where status = 'committed' and id not in (select verb_id from audit)`.execute(
    db,
  );
  await sql`delete from meta where name = 'audit-forgotten-before'`.execute(db);
}
