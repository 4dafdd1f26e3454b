import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { auditServer, serverLog } from '../audit/server-log.ts';
import { numberOption } from '../usage.ts';

type Options = { readonly server?: string; readonly after: string };

export function auditExportCommand(io: Io): Command {
  return new Command('export')
    .description('the audit log as lines of JSON, which `audit verify --file` reads')
    .option('--server <url>', 'the server whose log it is (or TIDEGATE_SERVER)')
    .option('--after <sequence>', 'begin behind this entry', '0')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate audit export --server http://127.0.0.1:8080 > audit.jsonl',
    )
    .action((options: Options) => exportLog(io, options));
}

async function exportLog(io: Io, options: Options): Promise<void> {
  const after = numberOption('--after', options.after);
  const server = await auditServer(io, options.server);
  for await (const entries of serverLog(server, { after })) {
    io.stdout.write(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  }
}
