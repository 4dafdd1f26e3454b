import type { Kysely, Selectable, Transaction } from 'kysely';
import { z } from 'zod';
import { recount } from './host-counts.ts';
import { StateError } from './state.ts';
import type { Host, HostSeen, HostSelection, State } from './state.ts';
import type { Tables } from './tables.ts';

/** Sightings come late while a database is away, but not by so much: then the clock was ahead at the former one. */
const LATEST_MS = 86_400_000;

/**
 * Remembers hosts, of whom each stands there once, and counts them. Of two sightings of a host the later one counts, unless it is
 * of a clock that was ahead by days.
 */
export async function upsertHosts(
  transaction: Transaction<Tables>,
  batch: readonly HostSeen[],
): Promise<void> {
  if (batch.length === 0) return;
  const ids = batch.map(({ id }) => id);
  const known = await transaction
    .selectFrom('hosts')
    .select(['id', 'variant', 'arch', 'version'])
    .where('id', 'in', ids)
    .execute();
  const written = await transaction
    .insertInto('hosts')
    .values(batch.map(toRow))
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet((proposed) => ({
          variant: proposed.ref('excluded.variant'),
          arch: proposed.ref('excluded.arch'),
          version: proposed.ref('excluded.version'),
          seed: proposed.ref('excluded.seed'),
          group_name: proposed.ref('excluded.group_name'),
          labels: proposed.ref('excluded.labels'),
          state: proposed.ref('excluded.state'),
          last_seen: proposed.ref('excluded.last_seen'),
        }))
        .where((is) =>
          is.or([
            is('excluded.last_seen', '>=', is.ref('hosts.last_seen')),
            is(is('hosts.last_seen', '-', LATEST_MS), '>', is.ref('excluded.last_seen')),
          ]),
        ),
    )
    .returning(['id', 'variant', 'arch', 'version'])
    .execute();
  const changed = new Set(written.map(({ id }) => id));
  await recount(
    transaction,
    known.filter(({ id }) => changed.has(id)),
    written,
  );
}

/** The last sighting of each host, by id: one statement may not update a row twice (PostgreSQL), nor two batches deadlock. */
export function latestSightings(batch: readonly HostSeen[]): readonly HostSeen[] {
  const latest = new Map<string, HostSeen>();
  for (const host of batch) {
    const known = latest.get(host.id);
    if (known === undefined || host.seenAt >= known.seenAt) latest.set(host.id, host);
  }
  return [...latest.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

export async function selectHost(db: Kysely<Tables>, id: string): Promise<Host | null> {
  const row = await db.selectFrom('hosts').selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : hostOfRow(row);
}

export async function selectHosts(
  db: Kysely<Tables>,
  { variant, arch }: HostSelection,
  { after, limit }: Parameters<State['hostsOf']>[1],
): Promise<readonly Host[]> {
  const all = db
    .selectFrom('hosts')
    .selectAll()
    .where('variant', '=', variant)
    .where('arch', '=', arch);
  const rest = after === null ? all : all.where('id', '>', after);
  const rows = await rest.orderBy('id').limit(limit).execute();
  return rows.map(hostOfRow);
}

function toRow(host: HostSeen): Tables['hosts'] {
  const seenAt = host.seenAt.getTime();
  return {
    id: host.id,
    variant: host.variant,
    arch: host.arch,
    version: host.version,
    seed: host.seed,
    group_name: host.group,
    labels: JSON.stringify(host.labels),
    state: host.state,
    first_seen: seenAt,
    last_seen: seenAt,
  };
}

/** Throws `state/damaged`. */
export function hostOfRow(row: Selectable<Tables['hosts']>): Host {
  return {
    id: row.id,
    variant: row.variant,
    arch: row.arch,
    version: row.version,
    seed: row.seed,
    group: row.group_name,
    labels: parseLabels(row),
    state: row.state,
    firstSeen: new Date(row.first_seen),
    lastSeen: new Date(row.last_seen),
  };
}

const labelsSchema = z.record(z.string(), z.string());

function parseLabels({ id, labels }: { readonly id: string; readonly labels: string }) {
  try {
    return labelsSchema.parse(JSON.parse(labels));
  } catch (cause) {
    throw new StateError('state/damaged', `labels of host ${id} are not a JSON object of strings`, {
      cause,
    });
  }
}
