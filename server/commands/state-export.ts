import { Command } from 'commander';
import { openTables } from '../../adapters/state/open.ts';
import { exportState } from '../../adapters/state/transfer.ts';
import type { Io } from '../../adapters/terminal/io.ts';

/** `tidegate state export`. */
export function stateExportCommand(io: Io): Command {
  return new Command('export')
    .description('print all that a state holds as lines of JSON; servers may use it meanwhile')
    .requiredOption('--state <url>', 'like sqlite:state.db or postgres://host/name')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate state export --state sqlite:state/state.db > state.jsonl',
    )
    .action(async ({ state }: { readonly state: string }) => {
      await using tables = await openTables(state, { cwd: io.cwd });
      const rows = await exportState(tables, (text) => io.stdout.write(text));
      io.stderr.write(`${rows} rows exported\n`);
    });
}
