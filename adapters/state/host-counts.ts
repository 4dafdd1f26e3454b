import type { Kysely, Transaction } from 'kysely';
import type { HostSelection, VersionCount } from './state.ts';
import type { Tables } from './tables.ts';

/** What a host is counted by. */
export type Counted = Pick<Tables['hosts'], 'variant' | 'arch' | 'version'>;

/** Counts hosts that came (`after`) and those that are gone (`before`); who is in both with another version has moved. */
export async function recount(
  transaction: Transaction<Tables>,
  before: readonly Counted[],
  after: readonly Counted[],
): Promise<void> {
  const changes = new Map<string, Counted & { hosts: number }>();
  const add = ({ variant, arch, version }: Counted, by: number) => {
    const key = JSON.stringify([variant, arch, version]);
    const change = changes.get(key) ?? { variant, arch, version, hosts: 0 };
    changes.set(key, { ...change, hosts: change.hosts + by });
  };
  for (const one of before) add(one, -1);
  for (const one of after) add(one, 1);
  for (const change of changes.values()) {
    if (change.hosts > 0) await raise(transaction, change);
    if (change.hosts < 0) await lower(transaction, change);
  }
}

async function raise(transaction: Transaction<Tables>, change: Tables['host_counts']) {
  await transaction
    .insertInto('host_counts')
    .values(change)
    .onConflict((conflict) =>
      conflict.columns(['variant', 'arch', 'version']).doUpdateSet((proposed) => ({
        hosts: proposed('host_counts.hosts', '+', proposed.ref('excluded.hosts')),
      })),
    )
    .execute();
}

/** Hosts may say any version of themselves: of one that nobody runs any more no row is kept. */
async function lower(transaction: Transaction<Tables>, change: Tables['host_counts']) {
  const { variant, arch, version, hosts } = change;
  await transaction
    .updateTable('host_counts')
    .set((column) => ({ hosts: column('hosts', '+', hosts) }))
    .where('variant', '=', variant)
    .where('arch', '=', arch)
    .where('version', '=', version)
    .execute();
  await transaction
    .deleteFrom('host_counts')
    .where('variant', '=', variant)
    .where('arch', '=', arch)
    .where('version', '=', version)
    .where('hosts', '=', 0)
    .execute();
}

export async function selectVersionCounts(
  db: Kysely<Tables>,
  { variant, arch }: HostSelection,
): Promise<readonly VersionCount[]> {
  return db
    .selectFrom('host_counts')
    .select(['version', 'hosts'])
    .where('variant', '=', variant)
    .where('arch', '=', arch)
    .execute();
}
