import type { Kysely } from 'kysely';

/** In which attempt of the rollout a host came to stand where it stands. */
export const attemptsOfHosts = { up } as const;

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('progress')
    .addColumn('attempt', 'integer', (column) => column.notNull().defaultTo(1))
    .execute();
}
