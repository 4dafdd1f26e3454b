import { createReadStream } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { openState, openTables } from '../../adapters/state/open.ts';
import { importState } from '../../adapters/state/transfer.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { ServeUsageError } from '../config.ts';

/** `tidegate state import`. */
export function stateImportCommand(io: Io): Command {
  return new Command('import')
    .description('fill an empty state with an export, whole or not at all')
    .argument('<file>', 'what `tidegate state export` printed')
    .requiredOption('--state <url>', 'like sqlite:state.db or postgres://host/name')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate state import --state postgres://tide@db.example/tide state.jsonl',
    )
    .action((file: string, options: Options) => importFile(io, file, options));
}

type Options = { readonly state: string; readonly json?: boolean };

async function importFile({ cwd, stdout }: Io, path: string, { state: url, json }: Options) {
  const file = resolve(cwd, path);
  try {
    await access(file, constants.R_OK);
  } catch (cause) {
    throw new ServeUsageError('usage/file', `cannot read ${path}`, { cause });
  }
  {
    // Makes the database and its schema where they are missing.
    await using state = await openState(url, { cwd });
    await state.pendingVerbs();
  }
  await using tables = await openTables(url, { cwd });
  const rows = await importState(tables, createReadStream(file));
  stdout.write(json === true ? `${JSON.stringify({ rows })}\n` : `${rows} rows imported\n`);
}
