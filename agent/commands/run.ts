import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { asOnlyAgent } from '../lock.ts';
import { runForever } from '../run.ts';
import { openNetworkContext } from './context.ts';
import type { AgentOptions } from './context.ts';

export function agentRunCommand(io: Io): Command {
  return new Command('run')
    .description('poll cycles until a signal ends it; events go to stderr as JSON lines')
    .requiredOption('--config <file>', 'agent.toml')
    .addHelpText('after', '\nExample:\n  tidegate agent run --config /etc/tidegate/agent.toml')
    .action(async (options: AgentOptions) => {
      const context = await openNetworkContext(io, options);
      await asOnlyAgent(context.config.stateFolder, () => runForever(context));
    });
}
