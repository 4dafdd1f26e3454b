import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { asOnlyAgent } from '../lock.ts';
import { runCycle } from '../cycle.ts';
import type { CycleResult } from '../cycle.ts';
import { ExpectedError } from '../../core/errors.ts';
import { openNetworkContext } from './context.ts';
import type { AgentOptions } from './context.ts';

/** The cycle ended in a failure that its result tells about. */
class CycleFailed extends ExpectedError<'agent/cycle-failed'> {}

export function agentOnceCommand(io: Io): Command {
  return new Command('once')
    .description('one poll cycle: ask, verify, install, activate, report')
    .requiredOption('--config <file>', 'agent.toml')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', '\nExample:\n  tidegate agent once --config /etc/tidegate/agent.toml')
    .action((options: AgentOptions) => once(io, options));
}

async function once(io: Io, options: AgentOptions): Promise<void> {
  const context = await openNetworkContext(io, options);
  const result = await asOnlyAgent(context.config.stateFolder, () => runCycle(context));
  io.stdout.write(
    options.json === true ? `${JSON.stringify(result)}\n` : `${sentenceOf(result)}\n`,
  );
  if (result.result === 'failed') throw new CycleFailed('agent/cycle-failed', sentenceOf(result));
}

function sentenceOf({ result, from, to, reason, eligibleAt, bytesFetched }: CycleResult): string {
  const why = [reason, eligibleAt === null ? null : `eligible at ${eligibleAt}`]
    .filter((part) => part !== null)
    .join(', ');
  return result === 'updated' || result === 'rolled-back'
    ? `${result} from ${from} to ${to}, ${bytesFetched} bytes fetched`
    : `${result} on ${from}: ${why}`;
}
