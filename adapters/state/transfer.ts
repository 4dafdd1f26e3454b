import { sql } from 'kysely';
import type { Transaction } from 'kysely';
import { ExportWriter, parseRows, readExport } from './export-file.ts';
import type { ExportEntry, ExportedRow } from './export-file.ts';
import { appliedMigrations } from './migrate.ts';
import { StateError } from './state.ts';
import type { StateTables } from './state-tables.ts';
import { storableText } from './storable-text.ts';
import { TABLE_KEYS } from './tables.ts';
import type { Tables } from './tables.ts';

const PAGE_ROWS = 250;
/** Every engine opens with an identity of its own in it, which gives way to the one that comes. */
const IDENTITY = 'meta';

/**
 * Writes all that a state holds, of one moment, while others go on writing: see ExportWriter. The same content gives the same
 * bytes on every engine. Returns the number of rows.
 */
export async function exportState(
  tables: StateTables,
  write: (text: string) => void,
): Promise<number> {
  return translated(tables, () =>
    tables.db
      .transaction()
      .setAccessMode('read only')
      .execute(async (transaction) => {
        const writer = new ExportWriter(write);
        writer.header(await appliedMigrations(transaction));
        for (const [table, keys] of Object.entries(TABLE_KEYS)) {
          for await (const row of rowsOf(transaction, table, keys)) writer.row({ table, row });
        }
        return writer.end();
      }),
  );
}

/**
 * Fills an empty state, whole or not at all, with what `exportState` wrote. Throws `state/not-empty`, or `state/export` for a
 * file that was cut off or changed. Returns the number of rows.
 */
export async function importState(
  tables: StateTables,
  bytes: AsyncIterable<Uint8Array>,
): Promise<number> {
  return translated(tables, () =>
    tables.db.transaction().execute(async (transaction) => {
      await requireEmpty(transaction, tables.source);
      await sql`delete from ${sql.table(IDENTITY)}`.execute(transaction);
      let rows = 0;
      let batch: ExportEntry[] = [];
      for await (const entry of readExport(bytes, await appliedMigrations(transaction))) {
        const isFull = batch.length === PAGE_ROWS || batch[0]?.table !== entry.table;
        if (isFull) await insert(transaction, batch);
        batch = isFull ? [entry] : [...batch, entry];
        rows += 1;
      }
      await insert(transaction, batch);
      return rows;
    }),
  );
}

async function* rowsOf(
  transaction: Transaction<Tables>,
  table: string,
  keys: readonly string[],
): AsyncGenerator<ExportedRow> {
  const columns = sql.join(keys.map((key) => sql.ref(key)));
  let page: readonly ExportedRow[] = [];
  do {
    const last = page.at(-1);
    const after =
      last === undefined
        ? sql`true`
        : sql`(${columns}) > (${sql.join(keys.map((key) => last[key]))})`;
    const { rows } = await sql`
      select * from ${sql.table(table)} where ${after}
      order by ${columns} limit ${sql.lit(PAGE_ROWS)}`.execute(transaction);
    page = parseRows(rows);
    yield* page;
  } while (page.length === PAGE_ROWS);
}

async function insert(transaction: Transaction<Tables>, batch: readonly ExportEntry[]) {
  const [first] = batch;
  if (first === undefined) return;
  const { table } = first;
  const columns = Object.keys(first.row).toSorted();
  if (!Object.hasOwn(TABLE_KEYS, table)) throw unfit(table);
  const values = batch.map(({ row }) => {
    if (Object.keys(row).toSorted().join() !== columns.join()) throw unfit(table);
    return sql`(${sql.join(columns.map((column) => storableText(row[column])))})`;
  });
  try {
    await sql`
      insert into ${sql.table(table)} (${sql.join(columns.map((column) => sql.ref(column)))})
      values ${sql.join(values)}`.execute(transaction);
  } catch (cause) {
    if (cause instanceof StateError) throw cause;
    throw unfit(table, cause);
  }
}

async function requireEmpty(transaction: Transaction<Tables>, source: string): Promise<void> {
  for (const table of Object.keys(TABLE_KEYS).filter((name) => name !== IDENTITY)) {
    const { rows } = await sql`select 1 from ${sql.table(table)} limit 1`.execute(transaction);
    if (rows.length > 0) {
      throw new StateError('state/not-empty', `${source} is not empty: it has ${table}`);
    }
  }
}

function unfit(table: string, cause?: unknown): StateError {
  const message = `the export has rows of ${JSON.stringify(table)} that cannot be stored`;
  return new StateError('state/export', message, { cause });
}

async function translated<T>({ translate }: StateTables, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translate(error) ?? error;
  }
}
