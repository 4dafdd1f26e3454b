import type { Kysely } from 'kysely';

/** The hosts of one version in the order of their ids, so that a page of them is read without the others. */
export const hostsByVersion = { up } as const;

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('hosts_by_kind').execute();
  await db.schema
    .createIndex('hosts_by_version')
    .on('hosts')
    .columns(['variant', 'arch', 'version', 'id'])
    .execute();
}
