import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { LOG_LEVELS } from '../config.ts';
import type { ServeOptions } from '../config.ts';
import { serve } from '../serve.ts';

/** `tidegate serve`. */
export function serveCommand(io: Io): Command {
  return new Command('serve')
    .description('Decide which host may take which release now, until the process is stopped')
    .requiredOption('--storage <url>', 'the repository, like file:repo or s3://bucket/prefix')
    .requiredOption('--online-key <source...>', 'keys of rollouts, snapshot and timestamp')
    .requiredOption('--state <url>', 'the database, like sqlite:state.db or postgres://host/name')
    .option('--token-file <file>', "the operators' token, by default beside the SQLite file")
    .option('--operators <file>', 'further operators, by name, with rights of their own (TOML)')
    .option('--listen <address>', 'address and port; port 0 is any free one', '127.0.0.1:8080')
    .option('--check-in-interval <duration>', "how often hosts ask, like '15 minutes'")
    .option('--follow-interval <duration>', 'how often to look for commits of others', '5 seconds')
    .option('--lease-timeout <duration>', 'how long a silent host counts as under way', '1 hour')
    .option('--keep-hosts <duration>', "forget hosts not seen for so long, like '90 days'")
    .option('--keep-reports <duration>', 'forget reports received so long ago; counts stay')
    .option('--keep-audit <duration>', 'forget entries of the audit log so old, and say so in it')
    .option('--expiry-policy <file>', 'TOML with timestamp_expiration and the like')
    .option('--log-level <level>', LOG_LEVELS.join(', '), 'info')
    .option('--unsafe-no-host-auth', 'listen beyond loopback although anybody can pose as any host')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate serve --storage file:repo --online-key file:keys/online.pem --state sqlite:state/state.db',
    )
    .action((options: ServeOptions) => serve(io, options));
}
