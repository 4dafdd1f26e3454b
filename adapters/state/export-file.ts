import { createHash } from 'node:crypto';
import { z } from 'zod';
import { StateError } from './state.ts';

const rowSchema = z.record(z.string(), z.union([z.string(), z.int(), z.null()]));
const headerSchema = z.strictObject({
  format: z.literal('tidegate.state/1'),
  /** The changes of the schema that the rows fit to. */
  migrations: z.array(z.string()),
});
const entrySchema = z.strictObject({ table: z.string(), row: rowSchema });
const endSchema = z.strictObject({ rows: z.int(), sha256: z.string() });

/** The columns of a row, as every engine stores them. */
export type ExportedRow = Readonly<z.infer<typeof rowSchema>>;
export type ExportEntry = { readonly table: string; readonly row: ExportedRow };

/** A row is a host or a report with bounded texts; nothing that was exported comes near this. */
const MOST_LINE_BYTES = 4 * 1024 * 1024;

/** The rows that a database gave, each checked. */
export function parseRows(rows: unknown): readonly ExportedRow[] {
  return z.array(rowSchema).parse(rows);
}

/** Formats an export: lines of JSON, of which the last one holds the count of the rows and the hash of all before it. */
export class ExportWriter {
  readonly #hash = createHash('sha256');
  readonly #write: (text: string) => void;
  #rows = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  header(migrations: readonly string[]): void {
    this.#line({ format: 'tidegate.state/1', migrations });
  }

  row(entry: ExportEntry): void {
    this.#rows += 1;
    this.#line(entry);
  }

  /** Returns how many rows there were. */
  end(): number {
    this.#write(`${JSON.stringify({ rows: this.#rows, sha256: this.#hash.digest('hex') })}\n`);
    return this.#rows;
  }

  #line(value: object): void {
    const text = `${JSON.stringify(value)}\n`;
    this.#hash.update(text);
    this.#write(text);
  }
}

/**
 * The entries of an export that fits to `migrations`. Throws `state/export` where it is not as it was written; only whoever
 * has read it to its end may believe any of it.
 */
export async function* readExport(
  bytes: AsyncIterable<Uint8Array>,
  migrations: readonly string[],
): AsyncGenerator<ExportEntry> {
  const hash = createHash('sha256');
  let number = 0;
  let end: z.infer<typeof endSchema> | null = null;
  for await (const line of linesOf(bytes)) {
    number += 1;
    if (end !== null) throw damaged(number, 'there is more after the end');
    const value = parseLine(line, number);
    const ending = endSchema.safeParse(value);
    if (ending.success) {
      end = ending.data;
      continue;
    }
    hash.update(line).update('\n');
    if (number === 1) requireHeader(value, migrations);
    else yield parseEntry(value, number);
  }
  if (end === null) throw damaged(number + 1, 'the end is missing: the file was cut off');
  if (number < 2 || end.rows !== number - 2 || end.sha256 !== hash.digest('hex')) {
    throw damaged(number, 'the rows before it are not those that were exported');
  }
}

function requireHeader(value: unknown, migrations: readonly string[]): void {
  const header = headerSchema.safeParse(value);
  if (!header.success) throw damaged(1, 'it is not the header of an exported state');
  if (header.data.migrations.join() === migrations.join()) return;
  throw new StateError(
    'state/export',
    `the export was made by another version of tidegate: it knows ${header.data.migrations.join(', ')}, this one ${migrations.join(', ')}`,
    { hints: ['export and import with the same version'] },
  );
}

function parseEntry(value: unknown, number: number): ExportEntry {
  const entry = entrySchema.safeParse(value);
  if (entry.success) return entry.data;
  throw damaged(number, 'it is not a row of a table');
}

function parseLine(line: Uint8Array, number: number): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
  } catch {
    throw damaged(number, 'it is not JSON');
  }
}

/** By line feeds only: texts may hold every other kind of line end. */
async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const chunk of bytes) {
    rest = Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10, start)) {
      yield rest.subarray(start, end);
      start = end + 1;
    }
    rest = rest.subarray(start);
    if (rest.length > MOST_LINE_BYTES) {
      throw new StateError('state/export', 'the export has a line of more than 4 MiB');
    }
  }
  if (rest.length > 0) yield rest;
}

function damaged(line: number, why: string): StateError {
  return new StateError('state/export', `line ${line} of the export: ${why}`);
}
