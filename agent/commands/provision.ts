import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { asOnlyAgent } from '../lock.ts';
import { provision } from '../provision.ts';
import { configOption } from './config-option.ts';
import type { AgentOptions } from './config-option.ts';
import { openNetworkContext } from './context.ts';

type Options = AgentOptions & { readonly version?: string };

export function agentProvisionCommand(io: Io): Command {
  return new Command('provision')
    .description('install the first release on an empty host')
    .addOption(configOption())
    .option(
      '--version <version>',
      'which (default: the newest that everyone gets, else the oldest)',
    )
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent provision')
    .action(async (options: Options) => {
      const context = await openNetworkContext(io, options);
      const done = await asOnlyAgent(context.config.stateFolder, () =>
        provision(context, options.version ?? null),
      );
      io.stdout.write(
        options.json === true
          ? `${JSON.stringify(done)}\n`
          : `release ${done.version} is active, ${done.bytesFetched} bytes fetched\n`,
      );
    });
}
