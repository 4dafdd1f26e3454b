import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Kysely, Selectable } from 'kysely';
import { hostOfRow } from './hosts.ts';
import type { Host, HostFilter, HostPage, State } from './state.ts';
import type { Tables } from './tables.ts';

/** Hosts that one statement reads: SQLite answers nobody else meanwhile. */
const WINDOW = 500;

/** Part of a search. */
type HostWindow = {
  /** Those that fit. */
  readonly hosts: readonly Host[];
  /** Where the next window begins; null if this was the last one. */
  readonly last: string | null;
};

/** Reads up to `size` hosts after `after`: as few as an index of theirs can tell apart, the filter does the rest. */
export async function readWindow(
  db: Kysely<Tables>,
  filter: HostFilter,
  { after, size }: { readonly after: string | null; readonly size: number },
): Promise<HostWindow> {
  return filter.rollout === undefined
    ? readKind(db, filter, { after, size })
    : readRollout(db, { ...filter, rollout: filter.rollout }, { after, size });
}

async function readKind(
  db: Kysely<Tables>,
  filter: HostFilter,
  { after, size }: { readonly after: string | null; readonly size: number },
): Promise<HostWindow> {
  const { variant, arch, version, idPrefix } = filter;
  let query = db.selectFrom('hosts').selectAll();
  if (variant !== undefined && arch !== undefined) {
    query = query.where('variant', '=', variant).where('arch', '=', arch);
    if (version !== undefined) query = query.where('version', '=', version);
  }
  if (idPrefix !== undefined) query = query.where('id', '>=', idPrefix);
  if (after !== null) query = query.where('id', '>', after);
  const rows = await query.orderBy('id').limit(size).execute();
  return windowOf(
    fitting(rows, filter),
    rows.map(({ id }) => id),
    { size, idPrefix },
  );
}

async function readRollout(
  db: Kysely<Tables>,
  filter: HostFilter & { readonly rollout: NonNullable<HostFilter['rollout']> },
  { after, size }: { readonly after: string | null; readonly size: number },
): Promise<HostWindow> {
  const { rollout, idPrefix } = filter;
  let query = db
    .selectFrom('progress')
    .select(['host_id', 'progress'])
    .where('rollout_id', '=', rollout.id);
  if (idPrefix !== undefined) query = query.where('host_id', '>=', idPrefix);
  if (after !== null) query = query.where('host_id', '>', after);
  const standing = await query.orderBy('host_id').limit(size).execute();
  const wanted = standing
    .filter(({ progress }) => rollout.progress === undefined || progress === rollout.progress)
    .map(({ host_id }) => host_id);
  const rows =
    wanted.length === 0
      ? []
      : await db.selectFrom('hosts').selectAll().where('id', 'in', wanted).orderBy('id').execute();
  return windowOf(
    fitting(rows, filter),
    standing.map(({ host_id }) => host_id),
    { size, idPrefix },
  );
}

/** Ids that begin with the prefix follow each other: behind the first other one there are no more. */
function windowOf(
  hosts: readonly Host[],
  ids: readonly string[],
  { size, idPrefix = '' }: { readonly size: number; readonly idPrefix: string | undefined },
): HostWindow {
  const last = ids.at(-1);
  const isLast = last === undefined || ids.length < size || !last.startsWith(idPrefix);
  return { hosts, last: isLast ? null : last };
}

/** Goes from window to window until the page is full, `scan` hosts were looked at, or there are no more. */
export async function searchHosts(
  read: (from: { readonly after: string | null; readonly size: number }) => Promise<HostWindow>,
  { after, limit, scan }: Parameters<State['findHosts']>[1],
): Promise<HostPage> {
  const found: Host[] = [];
  let from = after;
  for (let seen = 0; seen < scan; seen += WINDOW) {
    const { hosts, last } = await read({ after: from, size: Math.min(WINDOW, scan - seen) });
    const taken = hosts.slice(0, limit - found.length);
    found.push(...taken);
    const isFull = found.length === limit;
    if (isFull && (taken.length < hosts.length || last !== null)) {
      return { hosts: found, next: found.at(-1)?.id ?? null };
    }
    if (last === null) return { hosts: found, next: null };
    from = last;
    await nextTurn();
  }
  return { hosts: found, next: from };
}

/** The rows that fit, as hosts: most rows of a large fleet do not, and reading the labels of a row is what costs. */
function fitting(
  rows: readonly Selectable<Tables['hosts']>[],
  filter: HostFilter,
): readonly Host[] {
  const { idPrefix = '', variant, arch, version, group, state, labels = {} } = filter;
  const wanted = Object.entries({ variant, arch, version, group_name: group, state }).filter(
    ([, value]) => value !== undefined,
  );
  return rows
    .filter((row) => row.id.startsWith(idPrefix) && isSubset(wanted, row))
    .map(hostOfRow)
    .filter((host) => isSubset(Object.entries(labels), host.labels));
}

function isSubset(
  entries: readonly (readonly [string, unknown])[],
  whole: Readonly<Record<string, unknown>>,
): boolean {
  return entries.every(([name, value]) => Object.hasOwn(whole, name) && whole[name] === value);
}
