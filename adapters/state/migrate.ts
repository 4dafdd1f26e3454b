import { Migrator } from 'kysely/migration';
import type { Migration } from 'kysely/migration';
import type { Transaction } from 'kysely';
import { hostsReportsVerbs } from './migrations/0001-hosts-reports-verbs.ts';
import { overdueHosts } from './migrations/0003-overdue-hosts.ts';
import { audit } from './migrations/0004-audit.ts';
import { hostsByVersion } from './migrations/0005-hosts-by-version.ts';
import { leases } from './migrations/0006-leases.ts';
import { hostCounts } from './migrations/0007-host-counts.ts';
import { attemptsOfHosts } from './migrations/0008-attempts-of-hosts.ts';
import { forgottenVerbs } from './migrations/0009-forgotten-verbs.ts';
import { StateError } from './state.ts';
import type { Tables } from './tables.ts';

/** In the order of their names. Released ones never change: a change of the schema is a new one. */
const MIGRATIONS: Record<string, Migration> = {
  '0001-hosts-reports-verbs': hostsReportsVerbs,
  '0003-overdue-hosts': overdueHosts,
  '0004-audit': audit,
  '0005-hosts-by-version': hostsByVersion,
  '0006-leases': leases,
  '0007-host-counts': hostCounts,
  '0008-attempts-of-hosts': attemptsOfHosts,
  '0009-forgotten-verbs': forgottenVerbs,
};

/**
 * Brings the schema up to date inside the caller's transaction, so that it happens whole, once, or not at all. Refuses a
 * database of a newer Tidegate (`state/newer`) or of another program (`state/damaged`) before it writes anything.
 */
export async function migrate(transaction: Transaction<Tables>, source: string): Promise<void> {
  const tables = await transaction.introspection.getTables({ withInternalKyselyTables: true });
  const isOurs = tables.some(({ name }) => name === HISTORY.migrationTableName);
  if (!isOurs && tables.length > 0) {
    throw new StateError('state/damaged', `${source} is the database of another program`);
  }
  const done = isOurs ? await appliedMigrations(transaction) : [];
  const unknown = done.filter((name) => !Object.hasOwn(MIGRATIONS, name));
  if (unknown.length > 0) {
    throw new StateError(
      'state/newer',
      `${source} was changed by a newer tidegate: this one does not know ${unknown.join(', ')}`,
      { hints: ['start the newer tidegate again, or restore a backup made before it ran'] },
    );
  }
  const migrator = new Migrator({
    db: transaction,
    provider: { getMigrations: () => Promise.resolve(MIGRATIONS) },
    ...HISTORY,
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}

// Of their own names, so that the database of another program that uses the same library is not taken for ours.
const HISTORY = {
  migrationTableName: 'tidegate_migration',
  migrationLockTableName: 'tidegate_migration_lock',
};

/** In the order of their names. */
export async function appliedMigrations(
  transaction: Transaction<Tables>,
): Promise<readonly string[]> {
  const rows = await transaction
    .withTables<{ tidegate_migration: { name: string } }>()
    .selectFrom('tidegate_migration')
    .select('name')
    .orderBy('name')
    .execute();
  return rows.map(({ name }) => name);
}
