import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { auditEntrySchema } from '../../core/audit.ts';
import type { AuditEntry } from '../../core/audit.ts';
import { auditServer, lastSequence, serverLog } from '../audit/server-log.ts';
import { numberOption, print } from '../usage.ts';

type Options = {
  readonly server?: string;
  readonly after?: string;
  readonly limit: string;
  readonly json?: boolean;
};

export function auditListCommand(io: Io): Command {
  return new Command('list')
    .description(
      'who did what, when and why: the newest entries of the audit log, the oldest first',
    )
    .option('--server <url>', 'the server whose log it is (or TIDEGATE_SERVER)')
    .option('--after <sequence>', 'begin behind this entry instead')
    .option('--limit <number>', 'how many entries at most', '50')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate audit list --server http://127.0.0.1:8080 --limit 10',
    )
    .action((options: Options) => list(io, options));
}

async function list(io: Io, options: Options): Promise<void> {
  const limit = numberOption('--limit', options.limit);
  const named = options.after === undefined ? null : numberOption('--after', options.after);
  const server = await auditServer(io, options.server);
  const after = named ?? Math.max(0, (await lastSequence(server)) - limit);
  const entries = (await Array.fromAsync(serverLog(server, { after, most: limit }))).flat();
  print(io, options.json, { entries }, entries.map(lineOf));
}

function lineOf(line: unknown): string {
  const entry = auditEntrySchema.safeParse(line).data;
  return entry === undefined ? `no entry of this log: ${JSON.stringify(line)}` : entryLine(entry);
}

function entryLine(entry: AuditEntry): string {
  const { sequence, at, verb, event, rolloutId, actor, reason, message } = entry;
  const what = rolloutId ?? (event === 'forgotten' ? 'this log' : 'the fleet');
  const [before, after] = [stateOf(entry.before), stateOf(entry.after)];
  return [
    `${sequence}  ${at}  ${verb} ${event}  ${what}`,
    ...(before === null && after === null ? [] : [`${before ?? '?'} -> ${after ?? '?'}`]),
    `by ${actor}${reason === null ? '' : `: ${reason}`}`,
    ...(message === null ? [] : [`refused: ${message}`]),
  ].join('  ');
}

function stateOf(view: AuditEntry['before']): string | null {
  const state = view?.['state'];
  return typeof state === 'string' ? state : null;
}
