import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { serveApi } from '../api/server.ts';
import { asOnlyDaemon } from '../lock.ts';
import { runForever } from '../run.ts';
import { configOption, openNetworkContext } from './context.ts';
import type { AgentOptions } from './context.ts';

export function agentRunCommand(io: Io): Command {
  return new Command('run')
    .description('poll cycles until a signal ends it; events go to stderr as JSON lines')
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  tidegate agent run')
    .action(async (options: AgentOptions) => {
      const context = await openNetworkContext(io, options);
      const { api, stateFolder } = context.config;
      await asOnlyDaemon(stateFolder, async () => {
        await using _ = api === null ? null : await serveApi(context, api);
        await runForever(context);
      });
    });
}
