import type { Command } from 'commander';
import type { Io } from '../adapters/terminal/io.ts';
import { readServerToken } from '../adapters/terminal/server-record.ts';
import type { ServerTarget } from './control/call.ts';
import { UsageError } from './usage.ts';

export type ServerOptions = { readonly server?: string; readonly json?: boolean };

/** Adds the options of a command that only a server can answer. */
export function addServerOptions(command: Command): Command {
  return command
    .option('--server <url>', 'ask this server (or TIDEGATE_SERVER)')
    .option('--json', 'print the result as JSON');
}

/** The server that the options or the environment name, with its token. */
export async function serverTarget(io: Io, { server }: ServerOptions): Promise<ServerTarget> {
  const url = server ?? io.env['TIDEGATE_SERVER'];
  if (url === undefined) {
    throw new UsageError('usage/option', 'give --server: only a server knows of hosts', {
      hints: ['--server http://127.0.0.1:8080, or set TIDEGATE_SERVER'],
    });
  }
  return { url, token: await readServerToken(url, io.env) };
}
